# A thin front for Meson. Everything made lies in build/:
#   build/weir           the binary (a link into build/release)
#   build/release        gcc -O2 -g; assertions are always in
#   build/asan, tsan     clang with AddressSanitizer + UBSan, with ThreadSanitizer
#   build/deps, .setup   what tools/setup.sh unpacked and noted; survives "make clean"
# Further Meson options for a build folder that does not exist yet: make MESON_FLAGS="-Dwerror=true"

DATA ?= data
LISTEN ?= 127.0.0.1:8080
MESON_FLAGS ?=
# Arguments for tools/run-tests, such as TESTS="--in asan journal"
TESTS ?=

export PKG_CONFIG_PATH := $(CURDIR)/build/deps/pkgconfig$(if $(PKG_CONFIG_PATH),:$(PKG_CONFIG_PATH))

meson_setup = meson setup --buildtype=debugoptimized -Db_ndebug=false
c_files = find src tests bench -name '*.[ch]' 2>/dev/null

.NOTPARALLEL:
.PHONY: all help run test test-long bench check asan tsan format clean screenshots build/weir
.PHONY: setup-build setup-run setup-test setup-bench

all: build/weir

help:
	@echo 'make            build build/weir'
	@echo 'make run        start weir; DATA=data and LISTEN=127.0.0.1:8080 can be changed'
	@echo 'make test       all tests, with the sanitizers; TESTS="--in release NAME" runs a part'
	@echo 'make test-long  the same, and the tests that take hours'
	@echo 'make bench      compare with the peers'
	@echo 'make check      format, clang-tidy, cppcheck, house rules'
	@echo 'make screenshots  every page of the dashboard in both colours, into docs/img'
	@echo 'make format     format the C files'
	@echo 'make asan tsan  only build these'
	@echo 'make clean      remove what was built'

setup-build setup-run setup-test setup-bench: setup-%:
	@tools/setup.sh $*

build/weir: setup-build build/release/build.ninja
	@ninja -C build/release
	@for f in weir src/weir src/app/weir; do \
		if [ -x build/release/$$f ]; then ln -sfn release/$$f $@; exit 0; fi; \
	done; echo 'make: the build made no binary named weir' >&2; exit 1

# A folder without build.ninja is the rest of a set-up that failed.
build/release/build.ninja: | setup-build
	@rm -rf build/release
	@$(meson_setup) $(MESON_FLAGS) build/release

# "make" and "make run" need none of the tests' tools, so a folder that they made knows no tests: it has to look again.
build/release/.tests: | setup-test build/release/build.ninja
	@meson setup --reconfigure build/release
	@touch $@

build/asan/build.ninja: | setup-test
	@rm -rf build/asan
	@CC=clang $(meson_setup) -Db_sanitize=address,undefined -Db_lundef=false -Dfuzzers=true $(MESON_FLAGS) build/asan

build/tsan/build.ninja: | setup-test
	@rm -rf build/tsan
	@CC=clang $(meson_setup) -Db_sanitize=thread -Db_lundef=false $(MESON_FLAGS) build/tsan

asan tsan: %: setup-test build/%/build.ninja
	@ninja -C build/$@

run: setup-run build/weir
	@exec build/weir serve --data '$(DATA)' --listen '$(LISTEN)'

test: setup-test build/release/.tests build/weir build/asan/build.ninja build/tsan/build.ninja
	@tools/run-tests $(TESTS)

test-long: setup-test build/release/.tests build/weir build/asan/build.ninja build/tsan/build.ninja
	@tools/run-tests --long $(TESTS)

bench: setup-bench build/weir
	@bench/run

# Each check runs whatever the ones before it found. clang-tidy, the slow one, sees src/ only.
check: setup-test build/weir build/asan/build.ninja
	@tools/check.sh

screenshots: setup-test build/weir
	@WEIR_BIN=$(CURDIR)/build/weir WEIR_CHDB_LIBRARY=$$(ls $(CURDIR)/node_modules/@chdb/lib-linux-*/libchdb.so) node web/dashboard/screenshots.mjs docs/img

format: setup-test
	@$(c_files) | xargs -r clang-format -i

clean:
	@find build -mindepth 1 -maxdepth 1 ! -name deps ! -name .setup -exec rm -rf {} + 2>/dev/null || true
