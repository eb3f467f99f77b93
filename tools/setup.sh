#!/bin/sh
# Installs what one kind of work on weir needs, on Debian 12 or 13 (x86-64, arm64), and nothing that is already there.
#
#   tools/setup.sh build       compiler, Meson, the C libraries; Node.js and npm, which fetches the data that are built in
#   tools/setup.sh run         build + curl; npm fetches the embedded ClickHouse engine into node_modules
#   tools/setup.sh test        run + cmocka, clang with sanitizers and libFuzzer, linters, strace, Chromium, the SDKs
#   tools/setup.sh bench       run + the peers that the benches compare with (started by hand, never as services)
#   tools/setup.sh list LEVEL  print LEVEL's Debian packages for this system, one a line
#
# System packages come from the machine's own apt sources, which are never edited. Debian 12 has no yyjson and no
# llhttp: Debian 13's packages are fetched by an apt with a private source list and private folders, checked with
# Debian's keys, and unpacked into build/deps. When nothing is missing, a stamp in build/.setup ends the run early.
set -eu
LC_ALL=C
export LC_ALL

here=$(cd "$(dirname "$0")/.." && pwd)
deps=$here/build/deps
stamps=$here/build/.setup

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

# ---- What each level needs ------------------------------------------------------------------------------------------

pkgs_build="gcc libc6-dev pkg-config meson ninja-build python3 ca-certificates
 libuv1-dev libcurl4-openssl-dev libssl-dev libpcre2-dev libsodium-dev libsqlite3-dev libzstd-dev zlib1g-dev liblz4-dev libmaxminddb-dev"
pkgs_new="libyyjson-dev libllhttp-dev" # from Debian 13 on
pkgs_new_runtime="libyyjson0"          # yyjson comes without a static archive
pkgs_test="libcmocka-dev clang clang-tidy clang-format llvm cppcheck strace chromium"
pkgs_bench="wrk nginx-light postgresql redis-server nats-server"

level_packages() {
        printf '%s\n' $pkgs_build
        if [ "$release" -ge 13 ]; then printf '%s\n' $pkgs_new; fi
        # A node and npm from elsewhere (a vendor's package, a version manager) are kept.
        if ! command -v node >/dev/null 2>&1; then echo nodejs; fi
        if ! command -v npm >/dev/null 2>&1; then echo npm; fi
        case $1 in
        run | test | bench) echo curl ;; # "make run" prints a line for it
        esac
        case $1 in
        test) printf '%s\n' $pkgs_test "$(clang_runtime)" ;;
        bench) printf '%s\n' $pkgs_bench ;;
        esac
}

# libFuzzer and the sanitizers of that clang which the distribution's package "clang" stands for.
clang_runtime() {
        case $release in
        12) echo libclang-rt-14-dev ;;
        13) echo libclang-rt-19-dev ;;
        *) apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9][0-9]*\)$/libclang-rt-\1-dev/p' ;;
        esac
}

reason() {
        case $1 in
        build) echo "to compile weir" ;;
        run) echo "to run weir (npm fetches the embedded ClickHouse engine)" ;;
        test) echo "to run the tests, the sanitizers and the linters" ;;
        bench) echo "to compare weir with its peers" ;;
        esac
}

# ---- The machine ----------------------------------------------------------------------------------------------------

detect_system() {
        os=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_CODENAME:-none} ${VERSION_ID:-99}") ||
                os="unknown none 0"
        codename=${os#* }
        codename=${codename% *}
        release=${os##* }
        release=${release%%.*} # testing and unstable carry no number (99) and have all that 13 has
        if [ "${os%% *}" != debian ] || ! command -v apt-get >/dev/null 2>&1; then
                die "this system (${os%% *}) is not Debian 12 or 13. Install what corresponds to the following and" \
                        "run meson yourself:" $pkgs_build $pkgs_new
        fi
        [ "$release" -ge 12 ] || die "Debian $release is too old: 12 or 13 is needed"
}

can_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1; }
as_root() {
        if [ "$(id -u)" = 0 ]; then
                env DEBIAN_FRONTEND=noninteractive "$@"
        else
                sudo env DEBIAN_FRONTEND=noninteractive "$@"
        fi
}

# Runs a command with its output in build/.setup/log; on failure the end of it is shown.
quietly() {
        if "$@" >"$stamps/log" 2>&1 </dev/null; then return 0; fi
        tail -n 25 "$stamps/log" >&2
        return 1
}

# Prints those of the given packages that are not installed; what another package provides counts as installed.
missing_packages() {
        dpkg-query -W -f '${db:Status-Status}\t${Package}\t${Provides}\n' | awk -F '\t' -v want="$*" '
                $1 == "installed" {
                        have[$2]
                        n = split($3, p, /, */)
                        for (i = 1; i <= n; i++) { sub(/[ (:].*/, "", p[i]); have[p[i]] }
                }
                END { n = split(want, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in have)) printf "%s ", w[i] }'
}

# Whether every one of the packages has an installation candidate in the lists at hand.
apt_knows() {
        for p in "$@"; do
                apt-cache policy "$p" 2>/dev/null | grep -q '^  Candidate: [^(]' || return 1
        done
}

# The benches start their servers themselves, on loopback and in private folders; packages must not start any.
# Maintainer scripts ask policy-rc.d: where the machine has none, a temporary one says no.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
forbid_services() {
        if [ -e "$policy" ]; then return 0; fi
        policy_is_ours=yes
        as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh "$policy"
}
allow_services() {
        if [ -n "$policy_is_ours" ]; then as_root rm -f "$policy"; fi
        policy_is_ours=
}
trap allow_services EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

install_packages() {
        missing=$(missing_packages "$@")
        if [ -z "$missing" ]; then return 0; fi
        can_be_root || die "these packages are missing, you are not root and there is no sudo. As root, run:" \
                "apt-get install --no-install-recommends $missing"
        say "installing $(reason "$level"): $missing"
        if ! apt_knows $missing; then quietly as_root apt-get update; fi
        apt_knows $missing || die "this machine's apt sources do not offer all of: $missing"
        forbid_services
        set -- apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600 $missing
        if ! quietly as_root "$@"; then
                # The archive may have moved on since the lists were fetched.
                say "trying once more with fresh package lists"
                quietly as_root apt-get update
                quietly as_root "$@"
        fi
        allow_services
        missing=$(missing_packages $missing)
        [ -z "$missing" ] || die "still missing after the installation: $missing"
}

# ---- Debian 13's yyjson and llhttp on Debian 12 ---------------------------------------------------------------------

# Prints a source for trixie for each of the machine's own sources of its release: the same address, the other suite.
# Both styles of apt are read, deb822 (.sources) and one line (.list).
private_sources() {
        keyring=/usr/share/keyrings/debian-archive-keyring.gpg
        [ -r "$keyring" ] || die "$keyring is missing: install debian-archive-keyring"
        {
                for f in /etc/apt/sources.list.d/*.sources; do
                        if [ -r "$f" ]; then cat "$f"; echo; fi
                done | awk -v suite="$codename" '
                        function has(list, word) { return index(" " list " ", " " word " ") > 0 }
                        function flush(  u) {
                                if (has(f["types"], "deb") && has(f["suites"], suite) &&
                                    has(f["components"], "main") && f["enabled"] != "no") {
                                        split(f["uris"], u, " ")
                                        print u[1]
                                }
                                split("", f)
                        }
                        /^#/ { next }
                        /^[ \t]*$/ { flush(); next }
                        /^[^ \t]/ { name = tolower($1); sub(/:.*/, "", name); sub(/^[^:]*:/, "") }
                        { gsub(/[ \t]+/, " "); f[name] = f[name] " " $0; gsub(/^ +| +$/, "", f[name]) }'
                for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
                        if [ -r "$f" ]; then cat "$f"; echo; fi
                done | awk -v suite="$codename" '
                        $1 == "deb" {
                                sub(/#.*/, "")
                                sub(/^[ \t]*deb[ \t]+(\[[^]]*\])?/, "")
                                if ($2 == suite) for (i = 3; i <= NF; i++) if ($i == "main") print $1
                        }'
        } | sort -u | while read -r uri; do
                printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n\n' "$uri" "$keyring"
        done
}

private_apt() { apt-get -c "$deps/apt/apt.conf" "$@"; }

fetch_new_libraries() {
        say "fetching Debian 13's packages into build/deps, as Debian $release has none: $pkgs_new $pkgs_new_runtime"
        rm -rf "$deps"
        mkdir -p "$deps/apt/lists/partial" "$deps/apt/archives/partial" "$deps/apt/debs" "$deps/root" "$deps/lib" \
                "$deps/pkgconfig"
        private_sources >"$deps/apt/trixie.sources"
        [ -s "$deps/apt/trixie.sources" ] || die "no apt source for '$codename main' to derive Debian 13's from"
        # Read after the machine's own settings, so that its proxy and certificates hold; its hooks are not to run.
        cat >"$deps/apt/apt.conf" <<CONF
Dir::State "$deps/apt";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$deps/apt";
Dir::Log "$deps/apt";
Dir::Etc::sourcelist "$deps/apt/trixie.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Get::List-Cleanup "false";
APT::Default-Release "";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
CONF
        quietly private_apt update
        (cd "$deps/apt/debs" && quietly private_apt download $pkgs_new $pkgs_new_runtime)
        for deb in "$deps"/apt/debs/*.deb; do dpkg-deb -x "$deb" "$deps/root"; done

        # deps/lib holds all that the linker sees: llhttp as an archive; yyjson as a shared library, for Debian builds
        # no archive of it, hence its run path.
        find "$deps/root/usr/lib" \( -name 'libllhttp.a' -o -name 'libyyjson.so*' \) -exec cp -P {} "$deps/lib/" \;
        private_pc yyjson "-Wl,-rpath,\${libdir}"
        private_pc libllhttp ""
        rm -rf "$deps/apt"
}

# Writes pkgconfig/NAME.pc from the package's own: with the prefix build/deps and further linker flags.
private_pc() {
        pc=$(find "$deps/root" -name "$1.pc")
        [ -r "$pc" ] || die "Debian 13's packages hold no $1.pc"
        sed -e "s|^prefix=.*|prefix=$deps|" -e 's|^exec_prefix=.*|exec_prefix=${prefix}|' \
                -e 's|^libdir=.*|libdir=${prefix}/lib|' -e 's|^includedir=.*|includedir=${prefix}/root/usr/include|' \
                -e "s|^Libs:.*|& $2|" "$pc" >"$deps/pkgconfig/$1.pc"
        pkg-config --print-errors --exists "$deps/pkgconfig/$1.pc" || die "$1.pc does not work"
}

have_new_libraries() {
        grep -qxF "prefix=$deps" "$deps/pkgconfig/yyjson.pc" 2>/dev/null && [ -e "$deps/pkgconfig/libllhttp.pc" ] &&
                [ -e "$deps/lib/libyyjson.so" ] && [ -e "$deps/lib/libyyjson.so.0" ] && [ -e "$deps/lib/libllhttp.a" ]
}

# ---- npm ------------------------------------------------------------------------------------------------------------

# npm ci empties node_modules first, marks included. "all" holds all that "engine" holds, that all that "build" holds.
has_npm_mark() { [ "$(cat "$here/node_modules/.setup-$1" 2>/dev/null)" = "$lock_sum" ]; }
has_engine() { ls "$here"/node_modules/@chdb/lib-linux-*/libchdb.so >/dev/null 2>&1; }
have_npm_packages() {
        has_npm_mark "$1" || return 1
        [ "$1" = build ] || has_engine
}

install_npm_packages() {
        if have_npm_packages "$1"; then return 0; fi
        case $1 in
        build) set -- "$1" --omit=dev --omit=optional && say "fetching the data that are built in with npm" ;;
        engine) set -- "$1" --omit=dev && say "fetching the embedded ClickHouse engine and countries of addresses with npm (about 140 MB, once)" ;;
        all) say "fetching the engine and the SDKs that the tests use with npm" ;;
        esac
        what=$1
        shift
        (cd "$here" && quietly npm ci --ignore-scripts --no-fund --no-audit "$@") || die "npm ci failed"
        echo "$lock_sum" >"$here/node_modules/.setup-build"
        if [ "$what" = build ]; then return 0; fi
        has_engine || die "npm brought no libchdb.so for $(uname -m)"
        echo "$lock_sum" >"$here/node_modules/.setup-engine"
        if [ "$what" = all ]; then echo "$lock_sum" >"$here/node_modules/.setup-all"; fi
}

# ---- Main -----------------------------------------------------------------------------------------------------------

level=${1:-}
case $level in
list)
        detect_system
        level_packages "${2:-build}"
        exit 0
        ;;
build | run | test | bench) ;;
*) die "usage: tools/setup.sh build|run|test|bench" ;;
esac

# The stamp says which script, lock file and place it stands for; what people remove by hand is looked at as well.
script_sum=$(cksum <"$here/tools/setup.sh")
lock_sum=$(cat "$here/package.json" "$here/package-lock.json" 2>/dev/null | cksum)
case $level in
build) tools="gcc pkg-config meson ninja python3 node npm" npm_part=build ;;
run) tools="gcc pkg-config meson ninja python3 node npm curl" npm_part=engine ;;
test) tools="gcc meson ninja python3 node npm clang clang-tidy clang-format cppcheck strace curl" npm_part=all ;;
bench) tools="gcc meson ninja python3 node npm wrk curl" npm_part=engine ;;
esac
stamp="$script_sum $here"
is_done() {
        [ "$(cat "$stamps/$level" 2>/dev/null)" = "$stamp" ] || return 1
        for t in $tools; do command -v "$t" >/dev/null 2>&1 || return 1; done
        [ ! -d "$deps" ] || have_new_libraries || return 1
        [ -d "$deps" ] || [ ! -e "$stamps/needs-deps" ] || return 1
        [ -z "$npm_part" ] || have_npm_packages "$npm_part"
}
if is_done; then exit 0; fi

detect_system
mkdir -p "$stamps"
exec 9>"$stamps/lock" # two makes at once: the second waits, then finds all done
flock 9
if is_done; then exit 0; fi

rm -f "$stamps/$level"
install_packages $(level_packages "$level")
if [ "$release" -lt 13 ]; then
        : >"$stamps/needs-deps"
        if ! have_new_libraries; then fetch_new_libraries; fi
fi
if [ -n "$npm_part" ]; then install_npm_packages "$npm_part"; fi
printf '%s\n' "$stamp" >"$stamps/$level"
