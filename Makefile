# Rebuild the assembly of internal/kernel from its C sources (linux/amd64, gcc, binutils).
.PHONY: kernels
kernels:
	go run ./internal/kernel/gen
