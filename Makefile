# make test installs what it needs and passes every check. make help explains the rest.

GO ?= go
TOOL = $(GO) tool -modfile=tools/go.mod
BUF = PATH="$(CURDIR)/tools/node_modules/.bin:$$PATH" buf
FUZZTIME ?= 30s
LOAD ?= --private-postgres

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## Show everything at work on an invented organisation
	$(GO) run ./cmd/aankomst demo

.PHONY: build
build: ## Build bin/aankomst
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/aankomst ./cmd/aankomst

.PHONY: test
test: prepare check-proto lint check-tidy unit ## Install what is needed, then run every check and test

.PHONY: unit
unit: tools/node_modules ## Run the Go tests, with the race detector and in random order
	$(GO) test -race -shuffle=on -timeout=30m ./...

.PHONY: lint
lint: ## Vet the code and hold the import rule
	$(TOOL) golangci-lint run ./...

.PHONY: check-tidy
check-tidy: ## Check that go.mod names what is used, and nothing else
	$(GO) mod tidy -diff

.PHONY: check-proto
check-proto: tools/node_modules ## Check the contract: format, lint, compatibility, and that generated code is current
	$(BUF) format --diff --exit-code
	$(BUF) lint
	$(BUF) breaking --against ".git#ref=$$(git rev-parse --quiet --verify HEAD~1 || echo HEAD)"
	tools/check-generated.sh

.PHONY: proto
proto: tools/node_modules ## Format the contract and generate code from it
	$(BUF) format -w
	$(BUF) lint
	$(BUF) generate

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME each
	tools/fuzz.sh $(FUZZTIME)

.PHONY: vectors
vectors: ## Write the test vectors of refcode anew
	$(GO) test ./refcode -run Vectors -update

.PHONY: bench
bench: build ## Measure what docs/benchmarks.md quotes
	tools/bench.sh

.PHONY: load
load: build ## Put load on a server, a PostgreSQL and TLS of this run's own; LOAD=--help for more
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/aankomst-bench ./cmd/aankomst-bench
	bin/aankomst-bench $(LOAD)

.PHONY: dist/aankomst
dist/aankomst:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=true -ldflags='-s -w' -o $@ ./cmd/aankomst

.PHONY: deb
deb: dist/aankomst ## Build a Debian package in dist/; GOARCH=arm64 for another machine
	tools/deb.sh $< dist

.PHONY: image
image: dist/aankomst ## Build a container image
	tools/image.sh $<

.PHONY: prepare
prepare: ## Install what the checks need: a C compiler for the race detector, Node.js with its tools, Chromium, PostgreSQL
	tools/prepare.sh
	$(MAKE) tools/node_modules

tools/node_modules: tools/package-lock.json
	npm --prefix tools install --no-save --no-audit --no-fund --ignore-scripts
	@touch $@
