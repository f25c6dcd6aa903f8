# Cardea. `make run` shows the product, `make test` proves it; both install what they miss on a Debian with Go, Node and root.
# `make help` lists every target.

SHELL      := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TAGS    := sqlite_omit_load_extension,netgo,osusergo
# One file that runs on any Linux of its architecture: position independent, and linked against nothing.
LDFLAGS := -s -w -X main.version=$(VERSION) -linkmode external -extldflags=-static-pie
GOBUILD := CGO_ENABLED=1 go build -trimpath -buildmode=pie -tags $(TAGS)
# Tests meet real processes, disks and networks, so one can fail because the machine was busy for a moment: up to three that failed run once
# more, and are named at the end. More than that, or a data race, is a failure at once.
GOTEST  := go tool gotestsum --rerun-fails=1 --rerun-fails-max-failures=3 --rerun-fails-abort-on-data-race --rerun-fails-run-root-test

# What a fresh machine needs. The tests meet real counterparts, hence the long list.
BUILD_PACKAGES := gcc libc6-dev ca-certificates
TEST_PACKAGES  := $(BUILD_PACKAGES) age avahi-daemon avahi-utils buildah chromium chrony curl dbus ffmpeg firefox-esr fonts-dejavu-core gir1.2-gst-rtsp-server-1.0 \
	gstreamer1.0-libav gstreamer1.0-plugins-bad gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
	gstreamer1.0-plugins-ugly gstreamer1.0-rtsp gstreamer1.0-tools glib-networking iproute2 iputils-ping jq libnss3-tools nftables ntpsec-ntpdate openssl procps \
	python3-gi python3-zeep python3-zeroconf rsyslog rsyslog-gnutls sqlite3 sqlmap stunnel4 swtpm vlc-bin vlc-plugin-base webkit2gtk-driver wsdd xauth xvfb

# install-packages asks dpkg first, so that a second run costs no time and no network.
define install-packages
missing=""; for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then echo "installing:$$missing"; apt-get update -qq; \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
endef

.PHONY: help run build binary ui test unit journeys soak bench pictures lint fuzz image clean build-packages test-packages

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: build ## build everything and start the demo: an NVR with two virtual cameras
	./bin/cardea demo

build: build-packages ui binary ## bin/cardea with the web app inside

binary: # the Go half of build, for the image, which has the web app from a stage of its own
	$(GOBUILD) -ldflags '$(LDFLAGS)' -o bin/cardea .

ui: assets/ui/node_modules/.package-lock.json ## the web app, into assets/dist
	cd assets/ui && npm run --silent build

assets/ui/node_modules/.package-lock.json: assets/ui/package-lock.json
	cd assets/ui && npm ci --no-audit --no-fund --loglevel=error

test: test-packages build unit journeys ## every test, with everything they need installed

unit: ui ## tests beside the code
	cd assets/ui && npm run --silent test
	$(GOTEST) --format pkgname --packages="$$(go list ./... | grep -v '^cardea/test' | tr '\n' ' ')" -- -race -tags $(TAGS) -timeout 15m

journeys: test-packages build ## whole-program tests against real counterparts
	$(GOTEST) --format testname --packages=./test/... -- -tags $(TAGS) -p 1 -timeout 25m -count=1
	cd test/ui && npm ci --no-audit --no-fund --loglevel=error && npm run --silent test

soak: test-packages build ## the long ones: thousands of kills and power cuts, minutes of fuzzing for every parser
	CARDEA_KILLS=1000 CARDEA_CUTS=500 go test -tags $(TAGS) -timeout 6h -count=1 -v -run 'TestKill|TestPowerCut' ./test/...
	CARDEA_CUTS=3000 go test -tags $(TAGS) -timeout 6h -count=1 -v -run 'TestAttack6[68]' ./nvr/recorder
	$(MAKE) fuzz FUZZTIME=5m

FUZZTIME ?= 20s
fuzz: ## every fuzz test in turn, FUZZTIME each
	@mkdir -p build; grep -rlE '^func Fuzz' --include=*_test.go . | while read -r file; do \
		for name in $$(grep -oE '^func (Fuzz[A-Za-z0-9_]+)' $$file | awk '{print $$2}'); do \
			echo "== $$name in $$(dirname $$file)"; \
			go test -tags $(TAGS) -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s ./$$(dirname $$file) | tee build/fuzz.log || \
				{ ! grep -q 'Failing input' build/fuzz.log && grep -q 'context deadline exceeded' build/fuzz.log; }; \
		done; done # the end of the time itself is sometimes reported as a failure when the machine is busy; it is none

bench: test-packages build ## CPU, memory and loss per recorded stream, beside ffmpeg on the same source
	go test -tags $(TAGS) -run '^$$' -bench . -benchmem ./nvr/... ./store/...
	go run -tags $(TAGS) ./test/bench
	go run -tags $(TAGS) ./test/bench -paired
	CARDEA_BENCH=1 go test -tags $(TAGS) -count=1 -v -run TestLiveLatency ./web | grep -E 'added by|FAIL|ok'
	cd test/ui && npm ci --no-audit --no-fund --loglevel=error && node live.bench.mjs && node bench.mjs

pictures: test-packages build ## docs/pictures, taken anew of a demo
	cd test/ui && npm ci --no-audit --no-fund --loglevel=error && node pictures.mjs

lint: build-packages ui ## gofmt, vet, staticcheck, eslint, svelte-check
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	go vet -tags $(TAGS) ./...
	go tool staticcheck -tags $(TAGS) ./...
	cd assets/ui && npm run --silent lint && npm run --silent check

image: ## the container image, built from source
	@engine=$$(command -v docker || command -v podman || command -v buildah || true); \
	test -n "$$engine" || { echo "make image needs docker, podman or buildah"; exit 1; }; \
	$$engine build --build-arg VERSION=$(VERSION) -t cardea:$(VERSION) -t cardea .

clean: ## what a build leaves behind
	rm -rf bin build assets/ui/node_modules test/ui/node_modules
	find assets/dist -mindepth 1 ! -name .keep -delete

build-packages:
	@$(call install-packages,$(BUILD_PACKAGES))

test-packages:
	@$(call install-packages,$(TEST_PACKAGES))
