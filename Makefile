# Thin targets: each is what one would type.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -s -w -X diffuse/internal/cli.Version=$(VERSION) -X diffuse/internal/cli.Commit=$(COMMIT)
LINT    := bin/golangci-lint
PEER    ?= ../shared/peer

export CGO_ENABLED := 0

.PHONY: build test golden lint fuzz kernels bench-peer ci clean

build: ## bin/diffuse
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/diffuse ./cmd/diffuse

test: ## every test; those that need real data skip by name without it
	go test ./...

golden: ## only the comparisons with PyTorch's and diffusers' values
	go test ./... -run Golden

lint: $(LINT) ## gofmt, vet and the floors of the house, see .golangci.yml
	$(LINT) run

$(LINT): tools/go.mod tools/go.sum
	cd tools && go build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

fuzz: ## a minute of made-up configs
	go test ./internal/config -fuzz FuzzLoad -fuzztime 60s -fuzzminimizetime 10x

kernels: ## internal/kernel's assembly from its C sources (linux/amd64; gcc and binutils from Debian where they are absent)
	@{ command -v gcc && command -v objdump; } >/dev/null || { apt-get update && apt-get install -y --no-install-recommends gcc binutils libc6-dev; }
	go run ./internal/kernel/gen

bench-peer: build ## ours beside PyTorch and ONNX Runtime, by the scripts in PEER
	PEER='$(PEER)' tools/bench-peer

ci: ## what a change must pass
	.ci/run

clean:
	rm -rf bin
