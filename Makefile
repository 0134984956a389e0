# authmeter: the extension (extension.mk, by PGXS), the shim and the mailer (shim/Makefile) and the tasks
# of a developer, whose long recipes live in dev/. `make help` lists the targets.
#
# This file needs nothing but make, so that `make run` can install what the others need.

PG_CONFIG ?= pg_config
PREFIX ?= /usr/local
RUN_DIR ?= .run
FUZZ_SECONDS ?= 60

PROGRAMS = authmeter-shim authmeter-mailer
EXTENSION_MAKE = $(MAKE) --no-print-directory -f extension.mk
# Quiet: a newcomer wants to see what is started, and errors come on standard error.
BUILD = $(MAKE) -s --no-print-directory -j"$$(nproc)" all >/dev/null

export PG_CONFIG RUN_DIR FUZZ_SECONDS TESTS
# SQL may hold `$`: it travels as it was typed, under another name.
unexport SQL
export AM_SQL := $(value SQL)
export AM_LISTEN := $(LISTEN)
export AM_ADMIN := $(ADMIN)

.PHONY: all extension shim install install-shim uninstall clean \
	run start stop psql check bench lint format fuzz help

all: extension shim ## build the extension, the shim and the mailer

extension:
	+@$(EXTENSION_MAKE) all

shim:
	@$(MAKE) --no-print-directory -C shim

# ---- tasks of a developer ----------------------------------------------------------------------

run: ## PostgreSQL, the shim and the mailer in the foreground; Ctrl-C stops all
	@dev/deps.sh build && $(BUILD) && exec dev/cluster.sh run

start: ## the same in the background
	@dev/deps.sh build && $(BUILD) && exec dev/cluster.sh start

stop: ## stop what make start began; the data stay
	@dev/cluster.sh stop

psql: ## SQL as the administrator: interactive, or SQL="select 1" for bare rows
	@dev/cluster.sh psql

check: ## everything a change must pass; SUITE="regress tap" only these suites
	@dev/deps.sh build check && exec dev/check.sh $(SUITE)

bench: ## the table of speed ratios; PEERS=1 adds Node.js services to it
	@dev/deps.sh build bench $(if $(PEERS),peers) && $(BUILD) && exec dev/bench.sh $(if $(PEERS),peers)

lint: ## format, static analysis and the rules of the house
	@dev/deps.sh build check && exec dev/lint.sh

format: ## rewrite the C sources in the style of .clang-format
	@dev/lint.sh format

fuzz: ## every fuzzer for FUZZ_SECONDS=60 seconds
	@dev/deps.sh build check && exec dev/fuzz.sh

help: ## list the targets and variables
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
		awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'
	@echo
	@echo '  RUN_DIR=.run                     where make run keeps its server'
	@echo '  LISTEN="3000=vsplugin 5000=jobpsych"  listeners of the shim: [address:]port[/prefix]=api[,api] ...'
	@echo '  ADMIN=127.0.0.1:9464             its admin listener (/live, /ready, /metrics), or off'
	@echo '  PG_CONFIG=pg_config              which PostgreSQL'
	@echo '  SUITE="regress tap" TESTS="jwt 100"  what make check runs: suites, and of these the tests named'
	@echo '  WERROR=1                         warnings are errors'
	@echo '  with_llvm=yes                    build bitcode too'
	@echo '  DESTDIR=, PREFIX=/usr/local      for make install'

# ---- install -----------------------------------------------------------------------------------

install: all install-shim ## all into the system
	+@$(EXTENSION_MAKE) install

# Shim and mailer write their manuals from the same tables as their --help.
install-shim: shim
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/man/man1'
	for program in $(PROGRAMS); do \
		install -m 755 "build/$$program" '$(DESTDIR)$(PREFIX)/bin/' && \
		"build/$$program" --man >'$(DESTDIR)$(PREFIX)/share/man/man1/'"$$program.1" || exit 1; done

uninstall:
	for program in $(PROGRAMS); do \
		rm -f '$(DESTDIR)$(PREFIX)/bin/'"$$program" '$(DESTDIR)$(PREFIX)/share/man/man1/'"$$program.1"; done
	+@$(EXTENSION_MAKE) uninstall

clean: ## remove everything that was built
	+@$(EXTENSION_MAKE) clean
	rm -rf build
