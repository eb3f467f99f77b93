#!/bin/sh
# All static checks, each whatever the others found: clang-format, house rules, the dashboard's types (against openapi.json of
# build/weir), cppcheck, clang-tidy.
# Exit code 1 and a closing line that names the failed ones. About 5 minutes on 2 cores, nearly all of it clang-tidy.
set -u
cd "$(dirname "$0")/.."
jobs=$(nproc)
out=build/check
mkdir -p "$out/cppcheck"
failed=

start() { printf 'check: %s\n' "$1"; }
judge() { # NAME STATUS
        if [ "$2" != 0 ]; then failed="$failed $1"; fi
}

start clang-format
find src tests bench -name '*.[ch]' -print0 2>/dev/null | sort -z | xargs -0 -r clang-format --dry-run -Werror
judge clang-format $?

start tools/tidy.py
python3 tools/tidy.py --self-test && python3 tools/tidy.py
judge tidy.py $?

start tsc
node tools/dashboard-types.mjs build/weir
judge tsc $?

start cppcheck
cppcheck --quiet -j "$jobs" --cppcheck-build-dir="$out/cppcheck" --std=c11 --enable=warning,portability \
        --inline-suppr --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --error-exitcode=1 -Isrc src
judge cppcheck $?

# The compile database is made by Meson, with clang's flags; only what is generated has to be built for it. A file
# that did not change since it passed (with all headers, the flags and the rules) is not looked at again.
start clang-tidy
ninja -C build/asan -t targets all 2>/dev/null | sed -n 's/: CUSTOM_COMMAND$//p' | grep -v '^meson-' >"$out/generated"
if [ -s "$out/generated" ]; then
        xargs ninja -C build/asan <"$out/generated" >"$out/generated.log" 2>&1 || cat "$out/generated.log"
fi
common=$({ cat .clang-tidy build/asan/compile_commands.json; find src -name '*.[h]' -o -name '*.def' | sort | xargs cat; clang-tidy --version; } | cksum)
touch "$out/passed"
: >"$out/todo"
find src -name '*.c' | sort | while read -r file; do
        sum="$file $(cksum <"$file") $common"
        grep -qxF -- "$sum" "$out/passed" || printf '%s\n' "$sum" >>"$out/todo"
done
cat >"$out/one.sh" <<'ONE'
#!/bin/sh
# One line of "todo": lint the file, note it if it is clean.
file=${1%% *}
if clang-tidy --quiet -p build/asan "$file" >"build/check/log.$$" 2>/dev/null; then
        printf '%s\n' "$1" >>build/check/passed
        rm -f "build/check/log.$$"
else
        cat "build/check/log.$$"
        rm -f "build/check/log.$$"
        exit 1
fi
ONE
xargs -r -d '\n' -P "$jobs" -n 1 sh "$out/one.sh" <"$out/todo"
judge clang-tidy $?

if [ -n "$failed" ]; then
        printf 'check: findings of:%s\n' "$failed"
        exit 1
fi
echo 'check: no findings'
