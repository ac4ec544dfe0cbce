package kernel

// gemm is the table of an instruction set's micro-kernels for convolutions and
// linear layers.
type gemm struct {
	add func(*addArgs)
}

type addArgs struct {
	y, x *float32
	n    int
}

var portableGemm = gemm{}
