package kernel

// gemm is the table of an instruction set's micro-kernels for convolutions and
// linear layers. They compute tiles of sums: some rows of one panel, which is
// width columns of packed weights.
//
// What they multiply are cells of four bytes. In float32 a cell is one value. In
// bfloat16 it is a pair of neighbouring terms of a sum, the first in its low
// half, and a product of cells is the sum of both terms' products, in float32.
type gemm struct {
	width int  // columns of a panel
	rows  int  // rows of a tile
	pairs bool // cells are pairs
	most  int  // rows times cells of one call: some 100 µs, for which Go cannot stop the goroutine

	multiply  func(*multiplyArgs)
	correlate func(*correlateArgs)
	panel     func(*panelArgs)

	// peak does nothing but so many rounds of so many products of values, in registers.
	peak     func(rounds int)
	products int

	amx *amxKernels // in place of multiply, correlate and panel; nil without tiles

	// Of pairs only: cells of neighbours, x[2i] with x[2i+1], for each whole
	// pair in x; and of two rows, low[i] with high[i].
	narrow func(cells, x []float32)
	zip    func(cells, low, high []float32)
}

// cells is how many cells hold n terms.
func (g *gemm) cells(n int) int {
	switch {
	case g.amx != nil:
		return roundUp((n+1)/2, tileCells)
	case g.pairs:
		return (n + 1) / 2
	}
	return n
}

// multiplyArgs: one panel of output channels for a table of rows,
//
//	y[yat[r]+j] = bias[j] + from[yat[r]+j] + Σ_s Σ_k x[xat[r]+s·stride+k] · b[(s·length+k)·width+j]
//
// for r < len(xat), j < cols <= width, s < segments, k < length. Empty bias and
// from count as zeros; from may be y. If relu
// is not 0, a negative sum becomes 0; a NaN stays one. Each sum runs over s, then k, one cell
// after the other, whatever the number of rows.
//
// A row is an output pixel, a segment the stretch of input under one row of a
// convolution's window.
type multiplyArgs struct {
	x, b, bias, from, y            []float32
	xat, yat                       []int32
	segments, length, stride, cols int
	row                            int //nolint:unused // the assembly counts rows in it
	relu                           int
}

// correlateArgs: one panel of weight gradients for a list of pixels,
//
//	dw[r·stride+j] += Σ_p x[xat[p]+r] · dy[p·width+j]
//
// for r < rows, j < cols <= width, p < len(xat), in the order of p. In
// bfloat16, the terms of a cell are those of two neighbouring pixels.
type correlateArgs struct {
	x, dy, dw          []float32
	xat                []int32
	rows, stride, cols int
}

// panelArgs: copy a panel's columns together and add them up,
//
//	panel[r·width+j] = x[r·stride+j], or 0 for j >= cols
//	sums[j] += Σ_r x[r·stride+j]
//
// for r < rows, j < width. In bfloat16, rows 2r and 2r+1 make row r of cells; an
// odd last row is joined with zeros.
type panelArgs struct {
	panel, sums, x     []float32
	rows, stride, cols int
}

// padded is n channels and those that fill up the last panel.
func (g *gemm) padded(n int) int { return roundUp(n, g.width) }
