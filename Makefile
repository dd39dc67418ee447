# gokafka. Plain `make` prints the targets. `make test` needs Go only; what the other targets need, they install themselves
# (Python 3.11, Node.js 20, JDK 17 and Maven are taken from the machine).

GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK  = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 5s
PKG         ?= ./...
PLATFORMS    = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.DEFAULT_GOAL := help
.PHONY: help build test race vet cross lint fuzz compat differential exchange image compat-containers dist bench benchcmp check ci clean

help: ## print this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/gokafka: one static binary, no cgo
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/gokafka ./cmd/gokafka

test: ## all tests that need nothing but Go (PKG=./internal/log/ for one package)
	$(GO) test $(PKG)

# Not test/crash: there the broker is another process, and what the detector finds in this one is franz-go's (Client.Close beside a fetch session).
race: ## the same under the race detector (cgo, so a C compiler)
	$(GO) test -race $$($(GO) list $(PKG) | grep -v /test/crash)

vet: ## go vet
	$(GO) vet $(PKG)

# Tests are vetted with the code, those under test/ excepted: they start processes as Unix does.
cross: ## gokafka built and vetted for every system that it is made for
	@for target in $(PLATFORMS); do \
	  echo "build and vet for $$target"; \
	  export GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0; \
	  $(GO) build -trimpath -o /dev/null ./cmd/gokafka && $(GO) vet -trimpath ./cmd/... ./internal/... || exit 1; \
	done

lint: vet ## gofmt, go vet, staticcheck, and the import rules of internal/arch_test.go
	@out=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$out" ]; then echo "not formatted (gofmt -w):"; echo "$$out"; exit 1; fi
	$(GO) run $(STATICCHECK) $(PKG)
	@if [ -f internal/arch_test.go ]; then echo $(GO) test ./internal/; $(GO) test ./internal/; fi

fuzz: ## every fuzz target for FUZZTIME (5s)
	FUZZTIME=$(FUZZTIME) GO=$(GO) .ci/fuzz $(PKG)

compat: build ## the foreign clients against bin/gokafka (RUN=kafka-python, RUN='java-.*/topics', PEER=4|28: against Apache Kafka)
	$(GO) run ./test/compat -bin bin/gokafka -run '$(RUN)' $(if $(PEER),-peer $(PEER)) $(COMPAT_FLAGS)

differential: build ## the same requests to Apache Kafka and to gokafka, answers compared field by field
	test/differential/run.sh

exchange: ## log directories handed from gokafka to Apache Kafka and back (needs what compat needs)
	test/compat/kafka/fetch.sh > /dev/null
	GOKAFKA_EXCHANGE=1 $(GO) test -count=1 -timeout 30m ./test/exchange

image: ## the container images, for amd64 and arm64, into dist/image and the engine at hand (ENGINE=podman, ARCHES=amd64); nothing is pulled
	VERSION='$(VERSION)' container/build.sh

# The status 77 is podman.sh's for a machine that cannot run containers; CI does not take that for an answer.
compat-containers: ## the images run by podman and by the real Testcontainers modules (RUN=Java for one test); skipped where podman cannot work
	@test/containers/podman.sh test/containers/run.sh $(if $(RUN),-run '$(RUN)') || { status=$$?; \
	[ $$status = 77 ] && [ -z "$(CONTAINERS_REQUIRED)" ] && echo "compat-containers: skipped" || exit $$status; }

dist: ## what a release has, for all platforms: archives, deb, rpm, wheels, npm packages, SBOMs, checksums (PLATFORMS=host)
	$(GO) run ./packaging/dist -version '$(VERSION)' -platforms '$(PLATFORMS)' -o dist

bench: build ## gokafka and Apache Kafka 4.3.1 measured side by side, into bench/RESULTS.md (PART='produce|fetch', ROUNDS=1)
	$(GO) run ./bench -part '$(PART)' -n $(or $(ROUNDS),3) -o bench/RESULTS.md $(BENCH_FLAGS)

benchcmp: ## micro-benchmarks of this tree against another commit, by benchstat (REF=v0.1.0, BENCH=Fetch, COUNT=6; by default the last commit)
	GO='$(GO)' bench/compare.sh '$(or $(REF),HEAD)' '$(or $(BENCH),.)' $(or $(COUNT),6)

check: ## what CI runs
	.ci/run

ci: check

clean: ## remove what the targets above built or installed here
	rm -rf bin dist .compat
