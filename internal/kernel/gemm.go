package kernel

// panelCols is the width of a panel: of packed weights, and of a tile of sums.
const panelCols = 16

// gemm is the table of an instruction set's micro-kernels for convolutions and
// linear layers.
type gemm struct {
	multiply  func(*multiplyArgs)
	correlate func(*correlateArgs)
	panel     func(*panelArgs)
}

// multiplyArgs: one panel of output channels for a table of rows,
//
//	y[yat[r]+j] = start + Σ_s Σ_k x[xat[r]+s·stride+k] · b[(s·length+k)·panelCols+j]
//
// for r < len(xat), j < cols <= panelCols, s < segments, k < length. The start
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
//	dw[r·stride+j] += Σ_p x[xat[p]+r] · dy[p·panelCols+j]
//
// for r < rows, j < cols <= panelCols, p < len(xat), in the order of p.
type correlateArgs struct {
	x, dy, dw          []float32
	xat                []int32
	rows, stride, cols int
}

// panelArgs: copy a panel's columns together and add them up,
//
//	panel[r·panelCols+j] = x[r·stride+j], or 0 for j >= cols
//	sums[j] += Σ_r x[r·stride+j]
//
// for r < rows, j < panelCols.
type panelArgs struct {
	panel, sums, x     []float32
	rows, stride, cols int
}

// panels is the number of panels that n channels fill.
func panels(n int) int { return (n + panelCols - 1) / panelCols }
