#!/usr/bin/env python3
"""The house rules that no compiler checks. Each finding is one line: path:line: rule: what.

  tools/tidy.py [--verbose]   check the tree (what git knows or would add); exit code 1 on a finding
  tools/tidy.py --self-test   check the checks: a bad snippet for each rule must be caught, good ones must pass

Exceptions stand in tools/tidy-allow, one a line: rule, path, a text that the line holds (or the function's name), and
the reason after "#". An exception that matches nothing any more is a finding itself.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 900
FUNCTION_LINES_MAX = 100
FUNCTION_LINES_LISTED = 70
LINE_COLUMNS_MAX = 100
PURE_MODULES = {"http", "codec", "ua"}  # layer 1: bytes in, values out

ALWAYS_BANNED = "sprintf vsprintf strcpy stpcpy strcat strtok atoi atol atof strtol strtoul strtoll strtoull gets alloca localtime gmtime ctime asctime".split()
BANNED_OUTSIDE_BASE = "malloc calloc realloc free open creat fsync fdatasync rename unlink time strdup strndup".split()
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(ALWAYS_BANNED + BANNED_OUTSIDE_BASE))
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
SYSTEM_INCLUDE = re.compile(r"^\s*#\s*include\s+<([^>]+)>")
CLEANUP_WITHOUT_VALUE = re.compile(r"^\s*CLEANUP\(\w+\) [\w *]*?(\w+);$")
WAY_OUT = re.compile(r"\b(?:TRY|ENSURE)\(|\breturn\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|farm|home)/")
REGISTRY = re.compile(r"registry\.npmjs|deb\.debian\.org|registry\.yarnpkg|npmmirror", re.IGNORECASE)
NOTE = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\s*\(?#\d+)")
TEXT_ENDINGS = (".c", ".h", ".def", ".py", ".sh", ".mjs", ".js", ".md", ".build", ".json", ".service", ".txt", ".yml", ".sql")
# These name what they forbid.
SPEAKS_OF_RULES = {"tools/tidy.py", "tools/tidy-allow"}


def read_layers(text):
    layers = {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line:
            module, _, rest = line.partition(":")
            layers[module.strip()] = set(layers) if rest.strip() == "*" else set(rest.split())
    return layers


def blank_comments_and_strings(text):
    """The same text, line for line, with comments and the insides of literals turned to spaces."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)

    def blank(m):
        s = m.group(0)
        keep = s[0] if s[0] in "\"'" else ""
        return "".join(c if c == "\n" else keep if keep and i in (0, len(s) - 1) else " " for i, c in enumerate(s))

    return token.sub(blank, text)


def functions(code):
    """(name, first line, number of lines) of each function: a '{' in column 0 to the '}' in column 0 (Linux braces)."""
    found, start, name = [], None, None
    lines = code.splitlines()
    for i, line in enumerate(lines):
        if line == "{" and start is None:
            head = ""
            for k in range(i - 1, max(i - 12, -1), -1):
                head = lines[k] + " " + head
                m = re.search(r"(\w+)\s*\(", head)
                if m and not re.match(r"\s", lines[k]):
                    names = [n for n in re.findall(r"(\w+)\s*\(", head) if n != "__attribute__"]
                    name = names[0] if names else "?"
                    break
            start = i
        elif line.startswith("}") and start is not None:
            found.append((name or "?", start + 1, i - start + 1))
            start = name = None
    return found


class Tidy:
    def __init__(self, layers, allowed=()):
        self.layers = layers
        self.allowed = list(allowed)  # [rule, path, text, used]
        self.findings = []
        self.long_functions = []

    def report(self, path, line, rule, what, text=""):
        for entry in self.allowed:
            if entry[0] == rule and entry[1] == path and entry[2] in (text or what):
                entry[3] = True
                return
        self.findings.append(f"{path}:{line}: {rule}: {what}")

    def check(self, path, text):
        self.check_text(path, text)
        if path.endswith((".c", ".h")):
            self.check_c(path, text)

    def check_text(self, path, text):
        is_code = path.endswith((".c", ".h", ".def"))
        for n, line in enumerate(text.split("\n"), 1):
            if is_code and "\t" in line:
                self.report(path, n, "tab", "tab character", line)
            if line != line.rstrip() and not path.endswith(".md"):
                self.report(path, n, "trailing-space", "space at the end of the line", line)
            if is_code and len(line) > LINE_COLUMNS_MAX and path.endswith((".c", ".h")):
                self.report(path, n, "columns", f"{len(line)} columns, at most {LINE_COLUMNS_MAX}", line)
            if path in SPEAKS_OF_RULES:
                continue
            if MACHINE_PATH.search(line):
                self.report(path, n, "machine-path", "path of a build machine", line)
            if REGISTRY.search(line):
                self.report(path, n, "registry", "address of a package registry", line)
            if not path.endswith((".json", ".md")) and NOTE.search(line):
                self.report(path, n, "note", "TODO, FIXME or XXX without an issue, such as TODO(#12)", line)

    def check_c(self, path, text):
        code = blank_comments_and_strings(text)
        parts = path.split("/")
        module = "/".join(parts[1:-1]) if parts[0] == "src" and len(parts) > 2 else None
        lines = text.split("\n")
        if len(lines) > FILE_LINES_MAX:
            self.report(path, len(lines), "file-length", f"{len(lines)} lines, at most {FILE_LINES_MAX}")
        for name, at, count in functions(code):
            if count > FUNCTION_LINES_MAX:
                self.report(path, at, "function-length", f"{name}() has {count} lines, at most {FUNCTION_LINES_MAX}", name)
            elif count > FUNCTION_LINES_LISTED:
                self.long_functions.append((count, path, name))
        self.check_cleanups(path, code, lines)
        if module is None:
            return
        if path.endswith(".h"):
            self.check_guard(path, module, text)
        if module != "base":
            for n, line in enumerate(code.split("\n"), 1):
                for m in CALL.finditer(line):
                    self.report(path, n, "banned", f"{m.group(1)}() outside base/", lines[n - 1])
        else:
            for n, line in enumerate(code.split("\n"), 1):
                for m in CALL.finditer(line):
                    if m.group(1) in ALWAYS_BANNED:
                        self.report(path, n, "banned", f"{m.group(1)}()", lines[n - 1])
        self.check_includes(path, module, lines)

    def check_cleanups(self, path, code, lines):
        """What is cleaned up at the end of its scope has a value before any way out of it."""
        code = code.split("\n")
        for n, line in enumerate(code):
            m = CLEANUP_WITHOUT_VALUE.match(line)
            if not m:
                continue
            for later in code[n + 1 :]:
                if re.search(rf"\b{m.group(1)}\b", later):
                    break
                if WAY_OUT.search(later):
                    self.report(path, n + 1, "cleanup", f"{m.group(1)} has no value at the next way out", lines[n])
                    break

    def check_guard(self, path, module, text):
        name = os.path.basename(path)[:-2]
        want = re.sub(r"\W", "_", f"WEIR_{module}_{name}_H".upper())
        if not re.match(rf"\s*(?:/\*.*?\*/\s*)?#ifndef {want}\s*\n#define {want}\s*\n", text, re.DOTALL):
            self.report(path, 1, "guard", f"no include guard {want} at the top")

    def check_includes(self, path, module, lines):
        if module not in self.layers:
            self.report(path, 1, "layers", f"module {module} is not in src/LAYERS")
            return
        for n, line in enumerate(lines, 1):
            m = SYSTEM_INCLUDE.match(line)
            if m and module in PURE_MODULES and m.group(1) in ("pthread.h", "uv.h", "threads.h"):
                self.report(path, n, "pure", f"{module} is pure: no <{m.group(1)}>", line)
            m = INCLUDE.match(line)
            if not m:
                continue
            target = m.group(1)
            if "/" not in target:
                self.report(path, n, "include-form", f'"{target}" without its folder', line)
                continue
            other = target.rpartition("/")[0]
            if other == module:
                continue
            if other in self.layers and other not in self.layers[module]:
                self.report(path, n, "layers", f"{module} may not include {target} (src/LAYERS)", line)
            if target.endswith("_int.h"):
                self.report(path, n, "internal", f"{target} belongs to {other} alone", line)

    def close(self):
        for rule, path, text, used in self.allowed:
            if not used:
                self.findings.append(f"tools/tidy-allow: unused: {rule} {path} {text}")


def read_allowed(text):
    allowed, bad = [], []
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        entry, _, reason = line.partition(" # ")
        fields = entry.split(None, 2)
        if len(fields) != 3 or not reason.strip():
            bad.append(f"tools/tidy-allow:{n}: allow: wants RULE PATH TEXT # REASON")
        else:
            allowed.append([fields[0], fields[1], fields[2].strip(), False])
    return allowed, bad


def tree_files():
    command = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    names = [n for n in out.decode("utf-8", "replace").split("\0") if n]
    if not names:  # an unpacked archive: no git
        for folder, dirs, files in os.walk(ROOT):
            dirs[:] = [d for d in dirs if d not in ("build", "node_modules", ".git", "data")]
            names += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return sorted(set(names))


def is_text(path):
    base = os.path.basename(path)
    return (path.endswith(TEXT_ENDINGS) or "." not in base) and "/corpus/" not in path and base != "LICENSE"


def check_tree(verbose):
    allowed, bad = [], []
    allow_path = os.path.join(ROOT, "tools", "tidy-allow")
    if os.path.exists(allow_path):
        with open(allow_path, encoding="utf-8") as f:
            allowed, bad = read_allowed(f.read())
    with open(os.path.join(ROOT, "src", "LAYERS"), encoding="utf-8") as f:
        tidy = Tidy(read_layers(f.read()), allowed)
    count = 0
    for path in tree_files():
        full = os.path.join(ROOT, path)
        if not is_text(path) or not os.path.isfile(full):
            continue
        with open(full, encoding="utf-8", errors="replace") as f:
            text = f.read()
        if "\0" in text:
            continue
        tidy.check(path, text)
        count += 1
    tidy.close()
    for finding in bad + tidy.findings:
        print(finding)
    if verbose:
        for lines, path, name in sorted(tidy.long_functions, reverse=True):
            print(f"# long: {lines} lines: {name}() in {path}")
    print(f"# {count} files, {len(tidy.long_functions)} functions over {FUNCTION_LINES_LISTED} lines,"
          f" {len(bad) + len(tidy.findings)} findings")
    return 1 if bad or tidy.findings else 0


# ---- the test of the checks ----

LAYERS = read_layers("# c\nbase:\ncodec: base\nnet: base\nnet/tls: base net\napp: *\nlast: base\n")
HEAD = "#ifndef WEIR_NET_X_H\n#define WEIR_NET_X_H\n"
LONG = "void f(void)\n{\n" + "    g();\n" * 99 + "}\n"
# rule, path, text; the rule None: no finding.
CASES = [
    (None, "src/net/x.c", '#include "base/os.h"\n#include "net/net_int.h"\n\nint f(void)\n{\n    return g();\n}\n'),
    (None, "src/net/x.c", "/* malloc(1) and strcpy() in words */\nconst char *s = \"free(\";\n"),
    (None, "src/net/x.c", "void f(struct a *b)\n{\n    b->free(1);\n    heap_free(b);\n    os.open(1);\n}\n"),
    (None, "src/base/x.c", "void *f(void)\n{\n    return malloc(1);\n}\n"),
    (None, "tests/unit/net/x.c", "void *f(void)\n{\n    return malloc(1);\n}\n"),
    (None, "src/net/x.c", "/* TODO(#12): later */\n"),
    (None, "src/net/x.h", HEAD + "#endif\n"),
    (None, "docs/x.md", "two spaces break a line  \n"),
    (None, "src/net/x.c", "int f(void)\n{\n    CLEANUP(buf_done) struct buf b;\n    buf_init(&b, 9);\n    TRY(g());\n    return 0;\n}\n"),
    ("cleanup", "src/net/x.c", "int f(void)\n{\n    CLEANUP(buf_done) struct buf b;\n    TRY(g());\n    buf_init(&b, 9);\n}\n"),
    (None, "src/net/tls/x.c", '#include "net/net.h"\n'),
    ("layers", "src/net/x.c", '#include "codec/json.h"\n'),
    ("layers", "src/net/x.c", '#include "net/tls/tls.h"\n'),
    ("internal", "src/net/tls/x.c", '#include "net/net_int.h"\n'),
    ("layers", "src/base/x.c", '#include "net/net.h"\n'),
    (None, "src/app/x.c", '#include "net/net.h"\n#include "net/tls/tls.h"\n'),
    ("layers", "src/app/x.c", '#include "last/last.h"\n'),
    ("layers", "src/new/x.c", "int x;\n"),
    ("internal", "src/app/x.c", '#include "net/net_int.h"\n'),
    ("include-form", "src/net/x.c", '#include "net.h"\n'),
    ("pure", "src/codec/x.c", "#include <pthread.h>\n"),
    ("pure", "src/codec/x.c", "#include <uv.h>\n"),
    ("guard", "src/net/x.h", "#ifndef NET_H\n#define NET_H\n#endif\n"),
    ("guard", "src/net/x.h", "#pragma once\n"),
    ("tab", "src/net/x.c", "\tint x;\n"),
    ("trailing-space", "src/net/x.c", "int x; \n"),
    ("columns", "src/net/x.c", "int " + "x" * 100 + ";\n"),
    ("note", "src/net/x.c", "/* TODO: some day */\n"),
    ("note", "tools/x.sh", "# FIXME\n"),
    ("machine-path", "docs/x.md", "see " + "/wo" + "rk/x for more\n"),
    ("machine-path", "tools/x.sh", "cd " + "/ho" + "me/me\n"),
    ("registry", "package-lock.json", '"resolved": "https://' + "registry." + 'npmjs.org/x"\n'),
    ("registry", "tools/x.sh", "deb http://" + "deb.debian" + ".org/debian\n"),
    ("file-length", "src/net/x.c", "int x;\n" * 901),
    ("function-length", "src/net/x.c", LONG),
] + [("banned", "src/net/x.c", f"void f(void)\n{{\n    x = {name}(1);\n}}\n") for name in ALWAYS_BANNED + BANNED_OUTSIDE_BASE]
CASES += [("banned", "src/base/x.c", f"void f(void)\n{{\n    {name}(1);\n}}\n") for name in ALWAYS_BANNED]


def self_test():
    failed = 0
    for rule, path, text in CASES:
        tidy = Tidy(LAYERS)
        tidy.check(path, text)
        rules = {f.split(": ")[1] for f in tidy.findings}
        if rules != ({rule} if rule else set()):
            failed += 1
            print(f"not caught as {rule}: {path}: {text[:60]!r}: {tidy.findings}")
    allowed, bad = read_allowed("banned src/net/x.c malloc(7) # because\nbroken line\nbanned src/net/y.c free( # stale\n")
    tidy = Tidy(LAYERS, allowed)
    tidy.check("src/net/x.c", "void f(void)\n{\n    malloc(7);\n}\n")
    tidy.close()
    if len(bad) != 1 or len(tidy.findings) != 1 or "unused" not in tidy.findings[0]:
        failed += 1
        print(f"the allow-list: {bad} {tidy.findings}")
    named = functions(blank_comments_and_strings("static int a(int x,\n             int y)\n{\n    return 1;\n}\n"))
    if named != [("a", 3, 3)]:
        failed += 1
        print(f"functions(): {named}")
    total = len(CASES) + 2
    print(f"# self-test: {total - failed} of {total} as wanted")
    return 1 if failed else 0


def main():
    args = sys.argv[1:]
    if set(args) - {"--self-test", "--verbose"}:
        print(__doc__)
        return 2
    if "--self-test" in args:
        return self_test()
    return check_tree("--verbose" in args)


if __name__ == "__main__":
    sys.exit(main())
