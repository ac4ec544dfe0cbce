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
// and dy[N][outH][outW][Cout]. Sums run over the pixels of the batch in order;
// over an enlarged input, first over those that see the same input pixels.
func (s *Set) ConvBackwardWeights(ws *Workspace, dw, db []float32, x, dy []float32, c Conv) {
	c.checkGradient()
	s = s.suited(c)
	in, out := c.input(), c.output()
	mustHave("weights' gradient", dw, c.Weights())
	mustHave("input", x, in.size(in.n))
	mustHave("output's gradient", dy, out.size(out.n))
	if db != nil {
		mustHave("bias's gradient", db, out.c)
	}
	defer ws.release(ws.mark())
	sums := s.gemm.biases(ws, Start{}, out).rows
	down, across := c.forward(0)
	switch {
	case s.tiled(c) && c.tiles() >= minTileGradients:
		s.tiledWeights(ws, dw, x, dy, c)
		s.sumColumns(ws, sums, dy, c.Cout)
	case s.few(c):
		s.fewWeights(ws, dw, x, dy, c)
		s.sumColumns(ws, sums, dy, c.Cout)
	case c.Upsample:
		s.enlargedWeights(ws, dw, sums, x, dy, c)
	case c.single() && c.Stride == 1: // rows of pixels, as long as is read at once
		pixels := c.N * c.H * c.W
		for p := 0; p < pixels; p += pixelsAtOnce {
			c.N, c.H, c.W = 1, 1, min(pixelsAtOnce, pixels-p)
			s.correlateImages(ws, dw, sums, x[p*c.Cin:], dy[p*c.Cout:], down, across, c)
		}
	default:
		s.correlateImages(ws, dw, sums, x, dy, down, across, c)
	}
	for j := range db {
		db[j] += sums[j]
	}
}

// sumColumns adds to sums each of c channels of the pixels dy.
func (s *Set) sumColumns(ws *Workspace, sums, dy []float32, c int) {
	defer ws.release(ws.mark())
	part := ws.float32s(c)
	inRows(len(dy)/c, c, func(i, j int) {
		s.vec.sumRows(part, dy[i:j])
		s.AddTo(sums[:c], part)
	})
}

// enlargedWeights is ConvBackwardWeights over an enlarged input: each forward
// pass's gradient of a sum of weights goes to every weight in the sum.
func (s *Set) enlargedWeights(ws *Workspace, dw, sums, x, dy []float32, c Conv) {
	defer ws.release(ws.mark())
	size := c.Cin * c.Cout
	g := ws.float32s(2 * 2 * size)
	for i := range 4 {
		down, across := c.forward(i)
		clear(g)
		s.correlateImages(ws, g, sums, x, dy, down, across, c)
		for ty := range down.count {
			for tx := range across.count {
				tap := g[(ty*across.count+tx)*size:][:size]
				down.sums[ty].each(func(ky int) {
					across.sums[tx].each(func(kx int) { s.AddTo(c.at(dw, ky, kx), tap) })
				})
			}
		}
	}
}

// correlateImages adds one forward pass's gradients to dw[down][across][Cin][Cout]
// and to sums, those of the weights and of the bias.
func (s *Set) correlateImages(ws *Workspace, dw, sums, x, dy []float32, down, across axis, c Conv) {
	if s.gemm.amx != nil {
		s.correlateAMX(ws, dw, sums, x, dy, down, across, c)
		return
	}
	defer ws.release(ws.mark())
	in, out := c.input(), c.output()
	cells := down.places(out.h) * s.gemm.cells(across.places(out.w))
	group := min(in.n, (pixelsAtOnce-1)/(down.places(out.h)*across.places(out.w))+1)
	framed, every := framing{images: in, stride: scattered(in.c)}, 1
	framed.reach(down, across, out)
	if s.gemm.pairs {
		framed.layout, framed.step, framed.apart, every = zipped, across.step, c.single(), 2
	}
	scratch := ws.framed(framed, group)
	t := ws.table(down, across, out, framed, group, every)
	columns := ws.float32s(s.gemm.padded(out.c) * group * cells)
	for i := 0; i < in.n; i += group {
		n := min(group, in.n-i)
		source := s.fill(ws, framed, scratch, x[in.size(i):], n)
		s.columns(ws, columns, sums, dy[out.size(i):][:out.size(n)], down, across, images{n: n, h: out.h, w: out.w, c: out.c})
		s.correlate(ws, s.gemm, dw, source, columns, t.images(n).x, framed, down.count, across.count, out.c)
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

// columns copies the channels of dy's pixels that the axes yield, each panel
// of them to one stretch of columns, and adds them up in sums. Pairs are of
// neighbours in a row.
func (s *Set) columns(ws *Workspace, columns, sums, dy []float32, down, across axis, out images) {
	a := &ws.panelArgs
	defer func() { *a = panelArgs{} }()
	runs, rows := out.n*down.places(out.h), across.places(out.w)
	distance, first := down.spread*out.w*out.c, (down.at*out.w+across.at)*out.c
	if across.spread == 1 && (!s.gemm.pairs || rows%2 == 0) {
		runs, rows = 1, runs*rows // all pixels are one run; no pair leaves its image's row
	}
	cells := s.gemm.cells(rows)
	a.rows, a.stride = rows, across.spread*out.c
	width := s.gemm.width
	for j := 0; j < out.c; j += width {
		a.cols = min(width, out.c-j)
		a.sums = sums[j:][:width]
		for r := range runs {
			a.x, a.panel = dy[first+r*distance+j:], columns[(j*runs+r*width)*cells:]
			s.gemm.panel(a)
		}
	}
}

// correlate adds to dw[down][across][Cin][cout] the products of the pixels at
// the offsets at in x with those in columns.
func (s *Set) correlate(ws *Workspace, g *gemm, dw, x, columns []float32, at []int32, in framing, down, across, cout int) {
	a := &ws.correlateArgs
	defer func() { *a = correlateArgs{} }()
	// A row of the window at a time where its pixels lie together.
	steps, rows := across, in.c
	if in.stride == in.c {
		steps, rows = 1, across*in.c
	}
	a.stride = cout
	width, most := g.width, g.most/blockPixels
	for ty := range down {
		for tx := range steps {
			window := x[ty*in.pitch()+tx*in.stride:]
			for j := 0; j < cout; j += width {
				a.cols = min(width, cout-j)
				for p := 0; p < len(at); p += blockPixels {
					a.xat = at[p:min(p+blockPixels, len(at))]
					a.dy = columns[j*len(at)+p*width:]
					for r := 0; r < rows; r += most {
						a.rows, a.x = min(most, rows-r), window[r:]
						a.dw = dw[((ty*across+tx)*in.c+r)*cout+j:]
						g.correlate(a)
					}
				}
			}
		}
	}
}
