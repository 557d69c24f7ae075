# Needs git, make and Go. Whatever else a target needs, it installs or says how to. `make` alone lists the targets.

# Version control is asked once, here, and never by the Go tools: they refuse a checkout of another user.
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
COMMIT      ?= $(shell git rev-parse --verify HEAD 2>/dev/null)
DATE        ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
IMAGE       ?= bulkreg:$(VERSION)
GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEADCODE    := golang.org/x/tools/cmd/deadcode@v0.52.0
FUZZTIME    ?= 30s
MINUTES     ?= 10
SEED        ?=

# The servers that the tests need, unless the user names his own.
TEST_SERVERS := $(if $(TEST_DATABASE_URL),,postgres) $(if $(TEST_REDIS_URL),,redis)

.DEFAULT_GOAL := help
.PHONY: help demo test torture bench lint golangci fuzz build image clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## see it work: everything in one process, against an upstream in memory; nothing is bought
	@.ci/deps postgres
	go run ./cmd/bulkreg dev --demo

test: ## run all tests, with the race detector, in random order
	@.ci/deps cc jq curl pgbouncer $(TEST_SERVERS)
	cd .ci/manifests && go test -count=1 ./... # deploy/: the Dockerfile, Compose and Kubernetes; the first time, building it takes a minute
	go test -race -shuffle=on -parallel 8 -timeout 20m $$(go list ./... | grep -v '/torture$$')
	go test -race -shuffle=on -parallel 8 -timeout 20m ./cmd/bulkreg/torture # alone: its workers' calls have a second each
	go test -count=1 -parallel 8 -run '^TestHistories(WithADailyLimit)?$$' ./worker # many more, without the race detector
	cd .ci/rules && go test ./... # alerts, by Prometheus' own engine: the first time, building it takes half a minute

torture: ## break workers, Redis, Postgres and the registrar for MINUTES (10), by SEED
	@.ci/deps cc postgres redis
	TORTURE_MINUTES=$(MINUTES) TORTURE_SEED=$(SEED) go test -race -timeout 0 -count=1 -v -run '^TestTorture$$' ./cmd/bulkreg/torture

bench: ## measure the throughput on this machine
	@.ci/deps postgres redis
	go run ./cmd/bulkreg bench

lint: ## check the format and look for mistakes
	@unformatted="$$(gofmt -l .)" && if [ -n "$$unformatted" ]; then \
		echo "not in gofmt's format:"; echo "$$unformatted"; exit 1; fi
	go mod tidy -diff
	go vet ./...
	cd .ci/manifests && go mod tidy -diff && go vet ./...
	go run $(STATICCHECK) ./...
	@unused="$$(go run $(DEADCODE) -test ./...)" && if [ -n "$$unused" ]; then \
		echo "reached by nothing, not even by a test:"; echo "$$unused"; exit 1; fi

golangci: ## look for more mistakes, with .golangci.yml: the first time, building it takes minutes
	go run $(GOLANGCI) run --timeout 10m

fuzz: ## run every fuzz test for FUZZTIME (30s)
	@.ci/deps $(TEST_SERVERS)
	@.ci/fuzz $(FUZZTIME)

build: ## build bin/bulkreg
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.commitTime=$(DATE)' -o bin/bulkreg ./cmd/bulkreg

image: ## build the container image IMAGE (bulkreg:VERSION) with Docker's buildx
	SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct)" docker buildx build -f deploy/Dockerfile --load -t '$(IMAGE)' \
		--build-arg VERSION='$(VERSION)' --build-arg COMMIT='$(COMMIT)' --build-arg DATE='$(DATE)' .

clean: ## remove what build made
	rm -rf bin
