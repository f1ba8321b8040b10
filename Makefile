# Everything that is done with this repository. `make run` and `make test` need
# nothing else to be done first.

GO ?= go
LINT_VERSION = v2.15.0
GOFUMPT_VERSION = v0.9.2

# Debian packages: for the example site, and for the tests beside these.
RUN_PACKAGES = perl git gitweb chiark-scripts libio-fdpass-perl libhtml-mason-perl libcgi-pm-perl
TEST_PACKAGES = $(RUN_PACKAGES) gcc libc6-dev chiark-utils-bin libnettle8 libuv1 python3 ruby util-linux procps \
	libdbi-perl libdbd-sqlite3-perl info2www info pgformatter awstats mercurial mercurial-common moosefs-cgi \
	python3-simpletal dhelp doc-base media-types tdiary-core apache2-bin mawk tzdata bash rsync bindfs \
	libplack-perl ruby-rack
# For `make bench`: wrk makes the load, since it takes the least of the CPU that the
# servers need; the others are what we are compared with, and what they run.
BENCH_PACKAGES = wrk perl python3 git gitweb libcgi-pm-perl libhtml-mason-perl chiark-utils-bin chiark-scripts libnettle8 libuv1 \
	libio-fdpass-perl apache2-bin libapache2-mod-fcgid libapache2-mod-perl2 libfcgi-perl spawn-fcgi uwsgi-core \
	uwsgi-plugin-python3 php-fpm
CADDY_CGI = github.com/aksdb/caddy-cgi/v2@v2.2.7

.PHONY: run reload test check build xcaddy libraries lint fuzz golden bench overload soak stages cover clean

# Serves the example site.
run: packages-run build
	examples/run.sh ./caddy

# Reloads the configuration of the site that `make run` serves.
reload:
	set -a && . .run/env && ./caddy reload --force --config examples/Caddyfile --adapter caddyfile --address "$$ADMIN"

# Runs everything: lint, a build by xcaddy, the fuzzers for a moment, the script
# libraries' own tests, then all tests with the race detector.
test: packages-test lint xcaddy libraries
	$(MAKE) fuzz FUZZTIME=20000x FUZZ='./cgi ./prefork'
	$(GO) test -race -parallel 4 -timeout 20m ./...

# What to run before a commit.
check: lint
	$(GO) test -race -short ./...

build:
	$(GO) build -o caddy ./cmd/caddy

# Builds Caddy as its users do, and looks whether the module is in it.
xcaddy:
	mkdir -p .run && OUTPUT=.run/xcaddy ./xcaddy.sh && .run/xcaddy list-modules | grep -x http.handlers.prefork_cgi

lint:
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./prefork ./pool ./cgi
	GOOS=freebsd $(GO) vet ./prefork ./pool ./cgi
	GOOS=windows $(GO) vet ./prefork ./pool ./cgi
	$(GO) run mvdan.cc/gofumpt@$(GOFUMPT_VERSION) -l . | (! grep .)
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION) run

# Tests each script library as its language does, by Debian's interpreters.
libraries:
	cd lib/perl && prove -l t
	cd lib/python && /usr/bin/python3 -m unittest discover -s tests
	cd lib/ruby && /usr/bin/ruby -Ilib -e 'Dir["test/test_*.rb"].each { |file| require "./#{file}" }'

# Runs each fuzzer of the packages FUZZ for FUZZTIME: so many inputs, or a time such
# as 10m. (A time that is over while inputs are under way fails now and then:
# go.dev/issue/75804.) For the one of ./caddymod all of Caddy is compiled again, and
# it tries some hundred inputs a second: `make test` has its seeds only.
FUZZTIME ?= 1000000x
FUZZ ?= ./cgi ./prefork ./caddymod
fuzz:
	@for package in $(FUZZ); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target" && \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

# Writes the expected JSON of tests/adapt, and forms of an inspection, anew; review the difference.
golden:
	$(GO) test ./tests/adapt ./caddymod -update

# Measures us beside other servers, in about twenty minutes, and prints tables:
# docs/performance.md. BENCH are options, such as '-only mason -rounds 1'.
BENCH ?=
bench: packages-bench
	mkdir -p .run && OUTPUT=.run/bench-caddy ./xcaddy.sh --with $(CADDY_CGI)
	$(GO) build -o .run/peers ./tests/bench/peers && .run/peers -caddy .run/bench-caddy $(BENCH)

# Asks for ten times what can be served, and floods one script of ten, in about seven
# minutes; prints what is asked for beside what was measured: docs/performance.md.
# OVERLOAD are options, such as '-seconds 10'.
OVERLOAD ?=
overload: packages-run
	$(GO) build -o .run/overload-caddy ./cmd/caddy
	$(GO) build -o .run/overload ./tests/bench/overload && .run/overload -caddy .run/overload-caddy $(OVERLOAD)

# Injects faults under load, for as long as SOAK says, and judges every response:
# tests/soak/doc.go. The options are in tests/soak/soak_test.go; the form that
# `make test` runs takes half a minute. One failing run is repeated with its -seed.
SOAK ?= -rounds 10 -duration 1h -requests 200000 -per-fault 80
soak: packages-test
	$(GO) test -count 1 -timeout 0 -v -run TestSoak ./tests/soak -args $(SOAK)

# Benchmarks of the stages of a request, in the form that benchstat reads.
stages:
	$(GO) test -run '^$$' -bench . -benchmem -count 5 ./pool ./prefork ./cgi ./tests/bench

cover:
	$(GO) test -coverprofile .run/cover.out -coverpkg ./prefork,./pool,./cgi,./caddymod ./... && $(GO) tool cover -func .run/cover.out

clean:
	rm -rf caddy .run

packages-run:
	./install-packages.sh $(RUN_PACKAGES)

packages-test:
	./install-packages.sh $(TEST_PACKAGES)

packages-bench:
	./install-packages.sh $(BENCH_PACKAGES)

.PHONY: packages-run packages-test packages-bench
