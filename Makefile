# Thin targets: each is what one would type.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -s -w -X diffuse/internal/cli.Version=$(VERSION) -X diffuse/internal/cli.Commit=$(COMMIT)
LINT    := bin/golangci-lint
PEER    ?= ../shared/peer

export CGO_ENABLED := 0

.PHONY: build test golden lint fuzz kernels classifier pretrained bench-peer ci clean

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

# Half an hour on two idle cores; make it again to go on with a run that was stopped.
classifier: build ## the classifier in the binary and what it makes of the test images, from configs/fashion-classifier.yaml and the data in DIFFUSE_DATA
	if [ -d runs/classifier ]; then bin/diffuse train --resume classifier; else bin/diffuse train --config fashion-classifier.yaml --name classifier; fi
	bin/diffuse export classifier --precision bf16 --out internal/judge/fashion-resnet.safetensors
	bin/diffuse stats --ref fashion-mnist/test --extractor internal/judge/fashion-resnet.safetensors --floors 256,512,1024,2048,4096,5000,10000 --out internal/judge/fashion-mnist-test.npz

# Five hours on two cores; make it again to go on with a run that was stopped.
pretrained: build ## the net in the binary and its guide, from configs/fashion-best.yaml and the data in DIFFUSE_DATA
	if [ -d runs/first ]; then bin/diffuse train --resume first; else bin/diffuse train --config configs/fashion-best.yaml --set model.mid_extra=0 --name first; fi
	if [ -d runs/second ]; then bin/diffuse train --resume second; else bin/diffuse train --config configs/fashion-best.yaml --set model.mid_extra=0 --from first --set train.optimizer=muon --set train.precision=fp32 --lr 4e-3 --epochs 9 --name second; fi
	if [ -d runs/third ]; then bin/diffuse train --resume third; else bin/diffuse train --config configs/fashion-best.yaml --set model.mid_extra=0 --from second --set train.optimizer=muon --set train.sigma_lognormal=-0.4,1.4 --lr 4e-3 --epochs 8 --name third; fi
	if [ -d runs/pretrained ]; then bin/diffuse train --resume pretrained; else bin/diffuse train --config configs/fashion-best.yaml --from third --set train.optimizer=muon --set train.sigma_lognormal=0,1.3 --set train.seed=5 --lr 4e-3 --epochs 7 --name pretrained; fi
	bin/diffuse export pretrained --precision bf16 --out internal/pretrained/fashion-best.safetensors
	bin/diffuse export second --checkpoint epoch-0003 --precision bf16 --out internal/pretrained/fashion-best.epoch-0003.safetensors

bench-peer: build ## ours beside PyTorch and ONNX Runtime, by the scripts in PEER
	PEER='$(PEER)' tools/bench-peer

ci: ## what a change must pass
	.ci/run

clean:
	rm -rf bin
