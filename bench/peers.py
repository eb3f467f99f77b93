"""The servers that bench/run measures: weir and what it is compared with.

Each is started on loopback with a private folder and ended by its process id. A peer that is not installed, or
cannot do what the comparison needs, raises Absent with the reason.
"""
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

# What every server gets; the generator fills it in. 334 bytes.
EVENT = ('{"id":"{id}","event":"pageview","timestamp":"{ts}","user_id":"user-{n:100000}",'
         '"session_id":"session-{n:1000000}","properties":{"url":"https://example.com/p/{n:1000}",'
         '"referrer":"https://example.org/","plan":"pro","amount":{n:500}}}')


class Absent(Exception):
    """Not installed or not able; the text is the reason."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def find(name, *places):
    for place in places:
        if os.access(os.path.join(place, name), os.X_OK):
            return os.path.join(place, name)
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if not path:
        raise Absent(f"{name} is not installed (tools/setup.sh bench)")
    return path


def version_of(*command):
    text = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"\d+(\.\d+)+", text.stdout + text.stderr)
    return found.group(0) if found else "unknown"


def stat_fields(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
        return f.read().rpartition(")")[2].split()


def children(pid):
    """Of the process, one level down."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if int(stat_fields(name)[1]) == pid:
                    found.append(int(name))
            except OSError:
                pass
    return found


def cpu_us(pids, with_ended_children=False):
    ticks = 0
    for pid in pids:
        try:
            fields = stat_fields(pid)
        except OSError:
            continue
        ticks += sum(int(f) for f in fields[11:15 if with_ended_children else 13])
    return ticks * 1000000 // os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) * 1024


class Server:
    """A process of ours, with its output in a file beside its data."""
    name = ""
    version = ""
    user = None

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.process = None
        os.makedirs(folder, mode=0o755)

    def spawn(self, command, env=None, user=None):
        out = open(os.path.join(self.folder, "output"), "ab")
        extra = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        with out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder,
                                            env={**os.environ, **(env or {})}, start_new_session=True, **extra)

    def output(self):
        with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as f:
            return f.read()[-2000:]

    def wait(self, is_up, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Absent(f"{self.name} ended at its start: {self.output().strip()[-400:]}")
            try:
                if is_up():
                    return
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.002)
        raise Absent(f"{self.name} did not answer within {seconds} s")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=2)

    def listens(self):
        with self.connect():
            return True

    def pids(self):
        return [self.process.pid] + children(self.process.pid)

    def stop(self, sig=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Nginx(Server):
    """`return 204`: a server that does nothing with what it is sent."""
    name = "nginx"

    def __init__(self, folder, workers):
        super().__init__(folder)
        binary = find("nginx")
        self.version = version_of(binary, "-v")
        temp = "".join(f"{k}_temp_path {folder}/{k}; " for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"daemon off; pid {folder}/pid; error_log {folder}/error; worker_processes {workers};\n"
                    f"events {{ worker_connections 4096; }}\n"
                    f"http {{ access_log off; keepalive_requests 100000000; {temp}\n"
                    f"server {{ listen 127.0.0.1:{self.port}{' reuseport' if workers > 1 else ''};\n"
                    "location / { return 204; } } }\n")
        self.spawn([binary, "-p", folder, "-c", config, "-e", os.path.join(folder, "error")])
        self.wait(self.listens)
        self.url = f"http://127.0.0.1:{self.port}/v1/events"


class Postgres(Server):
    """One INSERT per event, prepared, each its own transaction: answered when its WAL is synced."""
    name = "PostgreSQL"

    def __init__(self, folder):
        super().__init__(folder)
        base = "/usr/lib/postgresql"
        places = sorted((os.path.join(base, v, "bin") for v in os.listdir(base)), reverse=True) if os.path.isdir(base) else []
        postgres, initdb = find("postgres", *places), find("initdb", *places)
        self.pgbench, self.psql = find("pgbench", *places), find("psql", *places)
        self.version = version_of(postgres, "--version")
        user = None
        if os.geteuid() == 0:  # it refuses to run as root
            user = next((u.pw_name for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody")), None)
            shutil.chown(folder, user)
        data = os.path.join(folder, "data")
        extra = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        made = subprocess.run([initdb, "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale"],
                              capture_output=True, text=True, cwd=folder, **extra)
        if made.returncode:
            raise Absent(f"initdb failed: {made.stderr.strip()[-300:]}")
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "fsync": "on",
                    "synchronous_commit": "on", "max_connections": 300, "shared_buffers": "256MB",
                    "max_wal_size": "4GB", "autovacuum": "off"}
        self.spawn([postgres, "-D", data] + [x for k, v in settings.items() for x in ("-c", f"{k}={v}")], user=user)
        self.args = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "bench"]
        self.wait(lambda: self.sql("SELECT 1") is not None)
        self.sql("CREATE TABLE events (id uuid DEFAULT gen_random_uuid(), ts timestamptz DEFAULT now(),"
                 " user_id text, body json)")
        body = json.dumps({"event": "pageview", "session_id": "session-123456", "properties": {
            "url": "https://example.com/p/123", "referrer": "https://example.org/", "plan": "pro", "amount": 250}})
        row = f"('user-' || :u, '{body}')"
        for name, rows in (("single", 1), ("batch", 100)):
            with open(os.path.join(folder, name + ".sql"), "w", encoding="utf-8") as f:
                f.write("\\set u random(1, 100000)\nINSERT INTO events (user_id, body) VALUES "
                        + ",".join([row] * rows) + ";\n")

    def sql(self, text):
        done = subprocess.run([self.psql, *self.args, "-d", "postgres", "-Atqc", text], capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    def load(self, batch, clients, seconds):
        """(events/s, mean latency in us, CPU us per event)"""
        script = os.path.join(self.folder, ("batch" if batch > 1 else "single") + ".sql")
        before = cpu_us(self.pids(), True)
        done = subprocess.run([self.pgbench, *self.args, "-n", "-M", "prepared", "-c", str(clients), "-j", "2",
                               "-T", str(max(1, round(seconds))), "-f", script, "postgres"],
                              capture_output=True, text=True)
        cpu = cpu_us(self.pids(), True) - before
        rate = re.search(r"tps = ([\d.]+)", done.stdout)
        count = re.search(r"transactions actually processed: (\d+)", done.stdout)
        latency = re.search(r"latency average = ([\d.]+) ms", done.stdout)
        if not (rate and count and latency):
            raise Absent(f"pgbench failed: {done.stderr.strip()[-300:]}")
        return float(rate.group(1)) * batch, float(latency.group(1)) * 1000, cpu / (int(count.group(1)) * batch)

    def stop(self, sig=signal.SIGINT):  # fast shutdown
        super().stop(sig)


class Redis(Server):
    """Streams with appendfsync always: one sync for what came in one turn of its loop."""
    name = "Redis"

    def __init__(self, folder):
        super().__init__(folder)
        binary = find("redis-server")
        self.version = version_of(binary, "--version")
        self.spawn([binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes",
                    "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0"])
        self.wait(self.answers)
        self.url = f"redis://127.0.0.1:{self.port}/events"

    def answers(self):
        with self.connect() as s:
            s.sendall(b"PING\r\n")
            return s.recv(64).startswith(b"+PONG")


class Nats(Server):
    """JetStream, file storage. From 2.10 on it can sync before it acknowledges; before, it does so never."""
    name = "NATS JetStream"

    def __init__(self, folder, is_synced):
        super().__init__(folder)
        binary = find("nats-server")
        self.version = version_of(binary, "--version")
        config = os.path.join(folder, "nats.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f'host: 127.0.0.1\nport: {self.port}\njetstream {{ store_dir: "{folder}/js", max_file: 64G'
                    f'{", sync_interval: always" if is_synced else ""} }}\n')
        if subprocess.run([binary, "-t", "-c", config], capture_output=True).returncode:
            raise Absent(f"nats-server {self.version} knows no sync_interval (2.10 has it): it acknowledges "
                         "before the disk has the message")
        self.spawn([binary, "-c", config])
        self.wait(self.listens)
        self.make_stream()
        self.url = f"nats://127.0.0.1:{self.port}/events"

    def make_stream(self):
        body = json.dumps({"name": "EVENTS", "subjects": ["events"], "storage": "file"}).encode()
        with self.connect() as s:
            s.sendall(b"CONNECT {\"verbose\":false}\r\nSUB _INBOX.make 1\r\n"
                      b"PUB $JS.API.STREAM.CREATE.EVENTS _INBOX.make %d\r\n%s\r\n" % (len(body), body))
            text, until = b"", time.monotonic() + 10
            while b"MSG _INBOX.make" not in text or not text.endswith(b"}\r\n"):
                piece = s.recv(1 << 16)
                if not piece or time.monotonic() > until:
                    raise Absent("NATS made no stream")
                text += piece
            if b'"error"' in text:
                raise Absent(f"NATS made no stream: {text[-300:]!r}")


class Weir(Server):
    name = "weir"

    def __init__(self, folder, binary, ack="fsync", prepare=None):
        """prepare: called with the made data folder, before the server starts; returns what replaces some of its keys."""
        super().__init__(folder)
        self.binary, self.ack = binary, ack
        self.data = os.path.join(folder, "data")
        made = subprocess.run([binary, "init", "--data", self.data, "--json"], capture_output=True, text=True,
                              cwd=folder)
        if made.returncode:
            raise Absent(f"weir init failed: {made.stderr.strip()[-400:]}")
        self.keys = json.loads(made.stdout.strip().splitlines()[-1])
        if prepare:
            self.keys.update(prepare(self.data))
        self.url = f"http://127.0.0.1:{self.port}/v1/events"
        self.start_seconds = self.start()

    def start(self):
        """Seconds from the start of the process to the first answer on /healthz."""
        begin = time.monotonic()
        self.spawn([self.binary, "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}"],
                   env={"WEIR_STREAM_ACK": self.ack, "WEIR_LOG_LEVEL": "warn"})
        self.wait(lambda: self.get("/healthz")[0] == 200)
        return time.monotonic() - begin

    def end(self):
        """Ends the process, keeps the data."""
        self.process.terminate()
        self.process.wait(30)

    def wait_ready(self, seconds=60):
        self.wait(lambda: self.get("/readyz")[0] == 200, seconds)

    def request(self, method, path, body=None, headers=None):
        req = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method=method,
                                     headers=headers or {})
        try:
            with urllib.request.urlopen(req, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read()

    def get(self, path, key=None):
        return self.request("GET", path, headers={"X-API-Key": key} if key else None)

    def lag(self):
        """Records that consumers have not done yet: {consumer: records}."""
        text = self.get("/metrics")[1].decode()
        return {name: float(value) for name, value in
                re.findall(r'^weir_consumer_lag_records\{[^}]*?consumer="([^"]+)"[^}]*\} (\S+)', text, re.M)}

    def wait_drained(self, seconds=120, consumer=None):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            lag = self.lag()
            if not lag or not any(v for k, v in lag.items() if consumer in (None, k)):
                return True
            time.sleep(0.1)
        return False

    def child(self):
        """The embedded store's process, or None."""
        return next(iter(children(self.process.pid)), None)


class Store:
    """`weir store` by itself: the embedded engine over HTTP."""
    def __init__(self, binary, data):
        self.port = free_port()
        os.makedirs(data, exist_ok=True)
        with open(os.path.join(data, "log"), "ab") as log:
            self.process = subprocess.Popen([binary, "store", "--data", os.path.abspath(data), "--listen",
                                             f"127.0.0.1:{self.port}"], stderr=log)
        until = time.monotonic() + 60
        while True:
            try:
                self.ask("SELECT 1")
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def ask(self, sql, body=None, **params):
        given = {**params, **({} if body is None else {"query": sql})}
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        c.request("POST", "/?" + urllib.parse.urlencode(given), sql.encode() if body is None else body)
        answer = c.getresponse()
        text = answer.read()
        c.close()
        if answer.status != 200:
            raise RuntimeError(text[:500])
        return text

    def cost(self, work):
        """(CPU seconds of the child, wall seconds)."""
        clock = (~self.process.pid << 3) | 2
        cpu, wall = time.clock_gettime(clock), time.monotonic()
        work()
        return time.clock_gettime(clock) - cpu, time.monotonic() - wall

    def end(self):
        self.process.terminate()
        self.process.wait(30)
