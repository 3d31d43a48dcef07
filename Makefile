GO ?= go
FUZZTIME ?= 2m

# What make image and make bundle make, for what, and of which time.
DIST ?= dist
ARCHITECTURES ?= amd64 arm64 ppc64le s390x
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOVULNDB ?= https://vuln.go.dev
export GOVULNDB

.DEFAULT_GOAL := build
.PHONY: help build programs image bundle tools test e2e bench lint vulncheck fuzz clean

help: ## say what the targets do
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the static binary bin/flowcert
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/flowcert ./cmd/flowcert

# dist/bin holds what is packed and nothing of another version.
programs:
	rm -rf $(DIST)/bin
	for arch in $(ARCHITECTURES); do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -ldflags '-s -w' -o $(DIST)/bin/flowcert-linux-$$arch ./cmd/flowcert || exit 1; \
	done

image: programs ## an OCI archive of an image for all ARCHITECTURES, in dist/; no container engine is needed
	cd tools/release && $(GO) run . image $(abspath $(DIST))

bundle: image ## all that a site without a network needs, in one archive in dist/
	cd tools/release && $(GO) run . bundle $(abspath $(DIST))

tools: ## find what the tests run besides Go; on Debian, as root, install what is missing
	@test/tools.sh

# -count=1: go's cache of results does not notice another openssl, JDK or PostgreSQL.
test: tools ## run every test, with the software that users run
	$(GO) test -count=1 -timeout 40m ./...

e2e: tools ## run what flowcert makes on a real Flink and its operator, downloaded once
	@test/e2etools.sh
	$(GO) test -tags e2e -count=1 -timeout 30m ./test/e2e/...
	$(GO) test -tags e2e -count=1 -run '^TestOperator' ./deploy

bench: ## time flowcert beside openssl and keytool, and on 20 and 200 instances (a few minutes)
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 40m ./test/bench
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 40m ./test/bench/incluster -args -ca RSA:4096
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 40m ./test/bench/incluster -args -ca EC:256

lint: ## go vet, gofmt, staticcheck, and govulncheck where its database can be reached
	$(GO) vet ./...
	$(GO) vet -tags e2e ./test/... ./deploy
	@files=$$(gofmt -l .) && if [ -n "$$files" ]; then echo "gofmt -w is needed on:" $$files; exit 1; fi
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(STATICCHECK) -tags e2e ./test/e2e/... ./deploy
	cd tools/release && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...
	@$(MAKE) --no-print-directory vulncheck

vulncheck:
	@if ! command -v curl >/dev/null; then echo "govulncheck needs curl: run make tools"; exit 1; \
	elif ! curl -fsS -m 20 -o /dev/null "$$GOVULNDB/index/db.json" 2>/dev/null; then \
		echo "govulncheck is left out: its database at $$GOVULNDB cannot be reached"; \
	else $(GO) run $(GOVULNCHECK) -db "$$GOVULNDB" ./...; fi

fuzz: ## run every fuzz target of every package for FUZZTIME (2m) each
	@test/fuzz.sh $(FUZZTIME)

clean: ## remove what build made
	rm -rf bin dist
