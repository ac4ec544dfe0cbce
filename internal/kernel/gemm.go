package kernel

// gemm is the table of an instruction set's micro-kernels for convolutions and
// linear layers. They compute tiles of sums: some rows of one panel, which is
// width columns of packed weights.
type gemm struct {
	width int // columns of a panel
	rows  int // rows of a tile

	multiply  func(*multiplyArgs)
	correlate func(*correlateArgs)
	panel     func(*panelArgs)
}

// multiplyArgs: one panel of output channels for a table of rows,
//
//	y[yat[r]+j] = start + Σ_s Σ_k x[xat[r]+s·stride+k] · b[(s·length+k)·width+j]
//
// for r < len(xat), j < cols <= width, s < segments, k < length. The start
// is bias[j] or, if bias is empty, the y there is. Each sum runs over s, then
// k, one term after the other, whatever the number of rows.
//
// A row is an output pixel, a segment the stretch of input under one row of a
// convolution's window.
type multiplyArgs struct {
	x, b, bias, y                  []float32
	xat, yat                       []int32
	segments, length, stride, cols int
	row                            int //nolint:unused // the assembly counts rows in it
}

// correlateArgs: one panel of weight gradients for a list of pixels,
//
//	dw[r·stride+j] += Σ_p x[xat[p]+r] · dy[p·width+j]
//
// for r < rows, j < cols <= width, p < len(xat), in the order of p.
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
// for r < rows, j < width.
type panelArgs struct {
	panel, sums, x     []float32
	rows, stride, cols int
}

// padded is n channels and those that fill up the last panel.
func (g *gemm) padded(n int) int { return roundUp(n, g.width) }
