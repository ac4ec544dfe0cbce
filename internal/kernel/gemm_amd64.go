package kernel

// gemm is the kernels of csrc/gemm.c, whose tiles are rows high and two vectors wide.
func (i isa) gemm(rows int) *gemm {
	return &gemm{
		width: 2 * i.lanes(), rows: rows,
		multiply: i.multiplyKernel, correlate: i.correlateKernel, panel: i.panelKernel,
	}
}
