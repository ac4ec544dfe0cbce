package kernel

// What tiles multiply, such as AMX's: 16 rows of 16 cells.
const (
	tileRows  = 16
	tileCells = 16
	tileTerms = 2 * tileCells // values in a row
)

// amxKernels are the micro-kernels of convolutions and linear layers where an
// instruction multiplies whole tiles. A tile's rows lie evenly, so what they read
// is laid out for it (frames.go).
type amxKernels struct {
	product  func(*amxProductArgs)
	gradient func(*amxGradientArgs)

	rows, planes, panel, turn, rest func(*frameArgs)

	attention *amxAttention
}

// suited is the Set for a convolution: float32 where its channels leave three quarters
// of the tiles empty. Such are a net's first and last layers, whose rounding all others
// would pass on.
func (s *Set) suited(c Conv) *Set {
	padded := roundUp(c.Cin, tileTerms) * roundUp(c.Cout, tileTerms)
	if s.gemm.amx != nil && 4*c.Cin*c.Cout <= padded {
		return s.fp32
	}
	return s
}

// parts is 2, where gradients are asked for, for windows of one pixel over few
// channels, such as linear layers: the rounding of these weights was half of the
// error of a net's gradients (docs/engine.md), and twice the products cost little
// beside what is read and written.
func (g *gemm) parts(down, across axis, in int) int {
	const few = 256
	if g.amx != nil && down.count*across.count == 1 && in <= few {
		return 2
	}
	return 1
}

// amxProductArgs: one panel of output channels for a table of rows,
//
//	y[yat[r]+j] = bias[j] + from[yat[r]+j] + Σ_s Σ_k x[xat[r]+segments[s]+k] · b[(s·length+k)·width+j]
//
// for r < len(xat), j < cols <= width, s < len(segments), k < length, a multiple
// of tileCells. Empty bias and from count as zeros; from may be y. If relu is not 0,
// a negative sum becomes 0; a NaN stays one. Rows with yat[r] < 0 are not written.
type amxProductArgs struct {
	x, b, bias, from, y []float32
	xat, yat, segments  []int32
	length, cols, relu  int
	scratch             *float32 // productScratch

	row, apart0, apart1, distance int    //nolint:unused // the assembly's own
	at                            *int32 //nolint:unused // likewise
}

// amxGradientArgs: one panel of weight gradients for each position of a window,
//
//	dw[t·size+r·stride+j] += Σ_s Σ_k x[r][taps[t]+at[s]+k] · dy[s][k][j]
//
// for t < len(taps), r < rows, j < cols <= width, s < len(at), k < tileTerms. x is
// planes of half cells, so many cells apart, which taps and at count; there are
// planes for a multiple of tileRows. A cell of dy holds the terms of two k.
type amxGradientArgs struct {
	x, dy, dw                       []float32
	at, taps                        []int32
	plane, rows, stride, cols, size int
	scratch                         *float32 // productScratch

	sum             *float32 //nolint:unused // the assembly's own
	from            *byte    //nolint:unused // likewise
	row, tap, apart int      //nolint:unused // likewise
}

// productScratch is the floats of scratch that tiles want: two by two of sums, two
// of rows, and the offsets of these.
const productScratch = 4*tileRows*tileCells + 2*tileRows*tileCells + 2*tileRows

// slideAMX is slide for tiles.
func (s *Set) slideAMX(ws *Workspace, out images, y []float32, in images, x []float32, passes []pass, start Start, relu bool) {
	defer ws.release(ws.mark())
	bias := s.gemm.biases(ws, Start{Bias: start.Bias}, out).row(0)
	f := frame{images: in, cells: s.gemm.cells(in.c)}
	for _, p := range passes {
		f.reach(p.down, p.across, out)
	}
	f.n = min(in.n, (rowsAtOnce-1)/(out.h*out.w)+1)
	scratch := ws.float32s(f.size())
	for i := 0; i < in.n; i += f.n {
		f.n = min(f.n, in.n-i)
		s.fillFrame(ws, f, scratch, x[in.size(i):][:in.size(f.n)])
		from := start.From
		if from != nil {
			from = from[out.size(i):]
		}
		to := y[out.size(i):]
		if start.Rows != nil {
			s.startRows(to, from, start.Rows[i*out.c:], f.n, out)
			from = to
		}
		for _, p := range passes {
			s.multiplyAMX(ws, p, to, from, scratch, f, out, bias, relu)
		}
	}
}

// startRows writes to n images what they start from: a row each, and from.
func (s *Set) startRows(y, from, rows []float32, n int, out images) {
	width := out.slot.width(out.c)
	for i := range n {
		row := rows[i*out.c:][:out.c]
		for p := i * out.h * out.w; p < (i+1)*out.h*out.w; p++ {
			to := y[p*width+out.slot.At:][:out.c]
			if from == nil {
				copy(to, row)
			} else {
				s.Add(to, from[p*width+out.slot.At:][:out.c], row)
			}
		}
	}
}

// multiplyAMX computes the outputs of one pass over a frame.
func (s *Set) multiplyAMX(ws *Workspace, p pass, y, from, x []float32, f frame, out images, bias []float32, relu bool) {
	g := p.form.gemm
	if g != s.gemm {
		panic("kernel: weights packed by another set")
	}
	t := ws.products(p.down, p.across, out, f, p.form.parts)
	a := &ws.amxProductArgs
	defer func() { *a = amxProductArgs{} }()
	a.x, a.segments, a.length, a.scratch = x, t.segments, t.length, &ws.float32s(productScratch)[0]
	if relu {
		a.relu = 1
	}
	chunk := max(g.most/max(len(t.segments)*t.length, 1)/(2*tileRows), 1) * 2 * tileRows
	for j := 0; j < out.c; j += g.width {
		a.b, a.bias, a.cols = p.form.panel(j), bias[j:][:g.width], min(g.width, out.c-j)
		a.y = y[j:]
		if from != nil {
			a.from = from[j:]
		}
		for r := 0; r < len(t.x); r += chunk {
			end := min(r+chunk, len(t.x))
			a.xat, a.yat = t.x[r:end], t.y[r:end]
			g.amx.product(a)
		}
	}
}

// What gradients of weights are summed over at once: pixels that stay in a near
// cache in all their forms; of these, steps of tileTerms whose part of 32 channels
// stays in the nearest one, or more of them where the gradient itself is far away.
const (
	amxPixels  = 1024
	amxSteps   = 8
	farWeights = 1 << 18
)

// correlateAMX is correlateImages for tiles.
func (s *Set) correlateAMX(ws *Workspace, dw, sums, x, dy []float32, down, across axis, c Conv) {
	in, out := c.input(), c.output()
	f := planar{images: in, out: out, down: down, across: across}
	f.n = min(in.n, (amxPixels-1)/(down.places(out.h)*across.places(out.w))+1)
	for i := 0; i < in.n; i += f.n {
		f.n = min(f.n, in.n-i)
		s.correlatePlanes(ws, dw, sums, x[in.size(i):][:in.size(f.n)], dy[out.size(i):][:out.size(f.n)], f)
	}
}

// correlatePlanes adds the gradients of f.n images.
func (s *Set) correlatePlanes(ws *Workspace, dw, sums, x, dy []float32, f planar) {
	defer ws.release(ws.mark())
	g, t := s.gemm, ws.gradients(f)
	cin, cout := f.c, f.out.c
	xs := ws.float32s(roundUp(cin, tileRows) * t.plane)
	s.fillPlanes(ws, xs, x, t, cin)
	panel := len(t.dy) / 2 * g.width
	dys := ws.float32s(g.padded(cout) / g.width * panel)
	s.fillPanels(ws, dys, sums, dy, t, cout)
	a := &ws.amxGradientArgs
	defer func() { *a = amxGradientArgs{} }()
	a.taps, a.plane, a.stride, a.size, a.scratch = t.taps, t.plane, cout, cin*cout, &ws.float32s(productScratch)[0]
	steps := amxSteps
	if len(t.taps)*cin*cout > farWeights {
		steps *= 4
	}
	for k := 0; k < len(t.at); k += steps {
		a.at = t.at[k:min(k+steps, len(t.at))]
		for r := 0; r < cin; r += 2 * tileRows {
			a.x, a.rows = xs[r*t.plane:], min(2*tileRows, cin-r)
			for j := 0; j < cout; j += g.width {
				a.cols = min(g.width, cout-j)
				a.dy, a.dw = dys[j/g.width*panel+k*tileCells*g.width:], dw[r*cout+j:]
				g.amx.gradient(a)
			}
		}
	}
}
