package kernel

// gemm is the kernels of csrc/gemm.c, whose tiles are rows high and two vectors wide.
func (i isa) gemm(rows int) *gemm {
	return &gemm{
		width: 2 * i.lanes(), rows: rows, most: 256 << 10,
		multiply: i.multiplyKernel, correlate: i.correlateKernel, panel: i.panelKernel,
		peak: i.peak, products: peakProducts * i.lanes(),
	}
}

// pairs is the kernels of csrc/pairs.c. Emulated products take three times as long.
func (i isa) pairs(rows int) *gemm {
	most := 256 << 10
	if i != avx512bf16 {
		most /= 4
	}
	return &gemm{
		width: 2 * i.lanes(), rows: rows, pairs: true, most: most,
		multiply: i.multiplyPairsKernel, correlate: i.correlatePairsKernel, panel: i.panelPairs,
		narrow: i.narrow, zip: i.zip,
		peak: i.peakPairs, products: peakProducts * 2 * i.lanes(),
	}
}

type peakArgs struct {
	sums, x *float32
	rounds  int
}

func (i isa) peak(rounds int) {
	var sums, x [maxLanes]float32
	i.peakKernel(&peakArgs{&sums[0], &x[0], rounds})
}

func (i isa) peakPairs(rounds int) {
	var sums, x [maxLanes]float32
	i.peakPairsKernel(&peakArgs{&sums[0], &x[0], rounds})
}

type pairPanelArgs struct {
	panel, sums, x     *float32
	rows, stride, cols int
}

func (i isa) panelPairs(a *panelArgs) {
	i.panelPairsKernel(&pairPanelArgs{
		panel: &a.panel[0], sums: &a.sums[0], x: &a.x[0], rows: a.rows, stride: a.stride, cols: a.cols,
	})
}

type zipArgs struct {
	cells, low, high *float32
	n                int
}

func (i isa) narrow(cells, x []float32) {
	if len(x) > 1 {
		i.narrowKernel(&zipArgs{cells: &cells[0], low: &x[0], n: len(x)})
	}
}

func (i isa) zip(cells, low, high []float32) {
	i.zipKernel(&zipArgs{cells: &cells[0], low: &low[0], high: &high[0], n: len(low)})
}
