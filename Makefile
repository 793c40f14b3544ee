# Doorward. `make help` lists what there is.
MODULES := shared ingress verifier dispatcher deploy tests
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# No C compiler is needed, and the pure Go resolver never guesses at numeric names.
export CGO_ENABLED ?= 0
GOTEST := go test
TESTFLAGS ?= -timeout 20m
KILLS ?= 100
FUZZTIME ?= 1m

ifeq ($(RACE),1)
export CGO_ENABLED = 1
GOTEST += -race
RACEDEPS := gcc
endif

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the one binary and the three doors into bin/
	@mkdir -p bin
	go -C deploy build -trimpath -ldflags '$(LDFLAGS)' -o ../bin/doorward ./cmd/doorward
	go -C ingress build -trimpath -ldflags '-s -w' -o ../bin/ingress ./cmd/ingress
	go -C verifier build -trimpath -ldflags '-s -w' -o ../bin/verifier ./cmd/verifier
	go -C dispatcher build -trimpath -ldflags '-s -w' -o ../bin/dispatcher ./cmd/dispatcher

.PHONY: run
run: build ## start everything with an embedded NATS server and a ready configuration
	./bin/doorward serve --dev

.PHONY: test
test: $(RACEDEPS) ## run every test (RACE=1 adds the race detector and installs gcc)
	$(GOTEST) $(TESTFLAGS) work
	go test -count=1 ./tests/repo # reads the whole repository, which the test cache does not see

.PHONY: gcc
gcc:
	@command -v gcc >/dev/null || { echo "installing gcc for the race detector"; apt-get update -q && apt-get install -qy gcc libc6-dev; }

.PHONY: check
check: build vet lint modules ## what CI runs: build, vet, lint, every module alone, tests with the race detector
	$(MAKE) test RACE=1

.PHONY: vet
vet: ## gofmt and go vet
	@test -z "$$(gofmt -l $(MODULES))" || { echo "gofmt would change:"; gofmt -l $(MODULES); exit 1; }
	go vet work

.PHONY: lint
lint: bin/staticcheck ## staticcheck over every module
	./bin/staticcheck $(MODULES:%=./%/...)

bin/staticcheck: deploy/tools/go.mod
	@mkdir -p bin
	GOWORK=off go -C deploy/tools build -o ../../bin/staticcheck honnef.co/go/tools/cmd/staticcheck

.PHONY: modules
modules: ## build and tidy-check each module without the workspace
	@for m in $(MODULES); do echo "module $$m"; (cd $$m && GOWORK=off go build ./... && GOWORK=off go mod tidy -diff) || exit 1; done

.PHONY: tidy
tidy: ## tidy each module, all at the same versions
	go work sync
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy) || exit 1; done

.PHONY: bench
bench: build ## measure against floors, in one run on this machine
	go -C tests build -o ../bin/bench ./bench
	./bin/bench -doorward bin/doorward $(BENCHFLAGS)

.PHONY: kill
kill: build ## kill -9 the program and each door KILLS times (default 100)
	KILLS=$(KILLS) $(GOTEST) -count=1 -v -timeout 60m ./tests/kill

.PHONY: fuzz
fuzz: ## fuzz every parser of hostile bytes, FUZZTIME each (default 1m)
	@for m in $(MODULES); do for p in $$(grep -rl '^func Fuzz' --include=*_test.go $$m | xargs -r -n1 dirname | sort -u); do \
	  for f in $$(grep -h '^func Fuzz' $$p/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9_]*\).*/\1/'); do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 0x ./$$p || exit 1; done; done; done

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
