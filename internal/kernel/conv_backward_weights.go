package kernel

// The pixels that gradients of weights are summed over at once: enough to pay
// for reading dw from a far cache; in blocks whose input, a cache line for
// each pixel, stays in a near one.
const (
	pixelsAtOnce = 128
	blockPixels  = 64
)

// ConvBackwardWeights adds to dw[ky][kx][Cin][Cout] and, if it is not nil, to
// db[Cout] the gradients with respect to weights and bias, from x[N][H][W][Cin]
// and dy[N][outH][outW][Cout]. Sums run over the pixels of the batch in order.
func (s *Set) ConvBackwardWeights(ws *Workspace, dw, db []float32, x, dy []float32, c Conv) {
	c.check()
	c = c.pixelwise()
	in, out := c.input(), c.output()
	mustHave("weights' gradient", dw, c.Weights())
	mustHave("input", x, in.size(in.n))
	mustHave("output's gradient", dy, out.size(out.n))
	defer ws.release(ws.mark())
	group := min(in.n, (pixelsAtOnce-1)/(out.h*out.w)+1)
	framed := framing{images: in, pad: c.pad(), stride: scattered(in.c)}
	scratch := ws.framed(framed, group)
	whole := c.along(span{-c.pad(), c.Kernel})
	t := ws.table(whole, whole, out, framed, group)
	columns := ws.float32s(panels(out.c) * panelCols * len(t.x))
	sums := padded(ws, nil, out.c)
	for i := 0; i < in.n; i += group {
		n := min(group, in.n-i)
		source := framed.fill(scratch, x[in.size(i):], n)
		s.columns(ws, columns, sums, dy[out.size(i):][:out.size(n)], out.c)
		s.correlate(ws, dw, source, columns, t.images(n).x, framed, c)
	}
	if db != nil {
		mustHave("bias's gradient", db, out.c)
		for j := range db {
			db[j] += sums[j]
		}
	}
}

// scattered is the distance at which pixels of n channels are laid so that
// the same channel of many pixels does not compete for a few sets of a cache.
func scattered(n int) int {
	const line = 16
	if n%(4*line) == 0 && n > 4*line {
		return n + line
	}
	return n
}

// columns copies dy's panels of channels, each to one stretch of columns, and
// adds them up in sums.
func (s *Set) columns(ws *Workspace, columns, sums, dy []float32, channels int) {
	a := &ws.panelArgs
	defer func() { *a = panelArgs{} }()
	a.rows, a.stride = len(dy)/channels, channels
	for j := 0; j < channels; j += panelCols {
		a.cols = min(panelCols, channels-j)
		a.x, a.panel, a.sums = dy[j:], columns[j*a.rows:], sums[j:][:panelCols]
		s.gemm.panel(a)
	}
}

// correlate adds to dw the products of the pixels at the offsets at in x with
// those in columns.
func (s *Set) correlate(ws *Workspace, dw, x, columns []float32, at []int32, in framing, c Conv) {
	a := &ws.correlateArgs
	defer func() { *a = correlateArgs{} }()
	// A row of the window at a time where its pixels lie together.
	steps, rows := c.Kernel, c.Cin
	if in.stride == c.Cin {
		steps, rows = 1, c.Kernel*c.Cin
	}
	a.rows, a.stride = rows, c.Cout
	for ky := range c.Kernel {
		for kx := range steps {
			a.x = x[ky*in.pitch()+kx*in.stride:]
			for j := 0; j < c.Cout; j += panelCols {
				a.cols = min(panelCols, c.Cout-j)
				a.dw = dw[(ky*c.Kernel+kx)*c.Cin*c.Cout+j:]
				for p := 0; p < len(at); p += blockPixels {
					a.xat = at[p:min(p+blockPixels, len(at))]
					a.dy = columns[j*len(at)+p*panelCols:]
					s.gemm.correlate(a)
				}
			}
		}
	}
}
