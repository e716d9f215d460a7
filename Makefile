# Verbs: all (the default), install, demo, test, bench, coverage, lint, format, clean. Each
# is a small script in scripts/. PG_CONFIG names the PostgreSQL to build for and install into;
# without it the one of PG_MAJOR (15 to 18, or 16) that scripts/pg-config finds. DESTDIR and PREFIX
# are honoured by install. Make hands all four on by itself, from its command line and from the environment.

SHELL = /bin/bash
.DEFAULT_GOAL := all
.NOTPARALLEL:

OUT = $(shell . scripts/common.sh && echo "$$out")

.PHONY: all
all:
	@scripts/build

# Builds only where nothing has been built, so that `sudo make install` leaves no files of
# root's behind.
.PHONY: install
install:
	@[ -f $(OUT)/pg_carpool.so ] && [ -f $(OUT)/pgpool-launch ] || scripts/build
	@scripts/installation

# DEMO=once: ends by itself instead of waiting for Ctrl-C.
.PHONY: demo
demo:
	@scripts/bootstrap build
	@scripts/build
	@scripts/demo $(DEMO)

# TESTS="-k name": arguments for pytest
.PHONY: test
test:
	@scripts/bootstrap test
	@scripts/build
	@scripts/test $(TESTS)

# BENCH="...": arguments for Tests/bench/run
.PHONY: bench
bench:
	@scripts/bootstrap bench
	@scripts/build
	@scripts/bench $(BENCH)

# COVERAGE="-k name": arguments for pytest
.PHONY: coverage
coverage:
	@scripts/bootstrap test
	@scripts/coverage $(COVERAGE)

.PHONY: lint
lint:
	@scripts/bootstrap test
	@scripts/build
	@scripts/lint

.PHONY: format
format:
	@git ls-files -co --exclude-standard -z '*.swift' | xargs -0 swift format format -i -p

.PHONY: clean
clean:
	@scripts/clean
