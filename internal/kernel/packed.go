package kernel

import "fmt"

// Packed is the weights of a convolution in the forms the kernels read. Many
// goroutines may use one while nobody packs it anew.
type Packed struct {
	conv     Conv
	tiled    bool      // forward and backward are the planes of Winograd's tiles
	few      *Packed   // in place of forward: all positions' products at once
	forward  []*form   // one for each of the Conv's forward passes
	backward []*form   // one for each backward pass; nil without gradient
	sum      []float32 // scratch: of weights, [Cin][Cout]; or a panel's planes; or few's weights
	rows     []float32 // of cells, a panel's width of the widest
	amx      *packing  // in place of rows
	tileArgs tileArgs  // the transform's, here so that a call allocates nothing
}

// form is weights packed for one pass: for each panel of width output channels
// the cells of the sums in order, [out/width][parts][down][across][cells][width].
// Channels that fill up the last panel have zero weights.
type form struct {
	gemm         *gemm
	width        int // gemm's
	down, across int
	in, out      int
	cells        int // that hold in terms
	parts        int // of a weight, whose sum it is: its rounding, then that of what this leaves
	weights      []float32
}

// panel is the part for the output channels from j on, a multiple of width.
func (f *form) panel(j int) []float32 {
	n := f.parts * f.down * f.across * f.cells
	return f.weights[j*n:][:n*f.width]
}

// newForm allocates an all-zero form, to be used for gradients or not.
func (g *gemm) newForm(down, across axis, in, out int, grad bool) *form {
	f := &form{gemm: g, width: g.width, down: down.count, across: across.count, in: in, out: out, cells: g.cells(in), parts: 1}
	if grad {
		f.parts = g.parts(down, across, in)
	}
	if f.down*f.across == 0 {
		f.down, f.across = 0, 0 // sees nothing
	}
	f.weights = aligned[float32](g.padded(out) * f.parts * f.down * f.across * f.cells)
	return f
}

// NewPacked allocates the forms of c's weights; its N, H and W do not count.
// Without grad there is no form for ConvBackwardData.
func (s *Set) NewPacked(c Conv, grad bool) *Packed {
	c = c.sizeless()
	c.check()
	s = s.suited(c)
	p := &Packed{conv: c, tiled: s.tiled(c)}
	if p.tiled {
		p.forward = s.tiles.newTileForms(c.Cin, c.Cout)
		if grad {
			p.backward = s.tiles.newTileForms(c.Cout, c.Cin)
		}
		size := s.tiles.width * c.Cout
		p.sum = make([]float32, tileSize*(spaced(size)+lineElems))
		return p
	}
	if s.few(c) {
		p.few, p.sum = s.NewPacked(c.products(), false), make([]float32, c.Weights())
	} else {
		for i := range c.enlarged() * c.enlarged() {
			down, across := c.forward(i)
			p.forward = append(p.forward, s.gemm.newForm(down, across, c.Cin, c.Cout, grad))
		}
	}
	if grad {
		for i := range c.Stride * c.Stride {
			down, across := c.backward(i)
			p.backward = append(p.backward, s.gemm.newForm(down, across, c.Cout, c.Cin, grad))
		}
	}
	if c.Upsample {
		p.sum = make([]float32, c.Cin*c.Cout)
	}
	if s.gemm.amx != nil {
		p.amx = s.gemm.newPacking(p)
		return p
	}
	p.rows = make([]float32, s.gemm.width*max(c.Cin, c.Cout))
	return p
}

// check panics unless p holds weights for c.
func (p *Packed) check(c Conv) {
	c = c.sizeless()
	if p.conv != c {
		panic(fmt.Sprintf("kernel: weights packed for %+v used for %+v", p.conv, c))
	}
}

// Pack fills p from w, [ky][kx][Cin][Cout].
func (s *Set) Pack(p *Packed, w []float32) {
	mustHave("weights", w, p.conv.Weights())
	s = s.suited(p.conv)
	if p.tiled {
		s.packTiles(p, w)
		return
	}
	if p.few != nil {
		s.packFew(p, w)
	}
	for i, f := range p.forward {
		down, across := p.conv.forward(i)
		for ty := range f.down {
			for tx := range f.across {
				tap := s.tap(p, w, down.sums[ty], across.sums[tx])
				if p.amx != nil {
					p.amx.copyTap(f, ty, tx, tap)
				} else {
					f.copyTap(ty, tx, tap, p.rows)
				}
			}
		}
	}
	for i, f := range p.backward {
		down, across := p.conv.backward(i)
		for ty := range f.down {
			for tx := range f.across {
				tap := s.tap(p, w, down.sums[ty], across.sums[tx])
				if p.amx != nil {
					p.amx.transposeTap(f, ty, tx, tap)
				} else {
					s.transposeTap(f, ty, tx, tap, p.rows)
				}
			}
		}
	}
}

// tap is the sum of the weights at the given positions of the window, [Cin][Cout].
func (s *Set) tap(p *Packed, w []float32, ys, xs positions) []float32 {
	var sum []float32
	ys.each(func(ky int) {
		xs.each(func(kx int) {
			one := p.conv.at(w, ky, kx)
			switch {
			case sum == nil && p.sum == nil:
				sum = one // nothing is summed without Upsample
			case sum == nil:
				sum = p.sum
				copy(sum, one)
			default:
				s.AddTo(sum, one)
			}
		})
	})
	return sum
}

// at is the weights at one position of the window, [Cin][Cout].
func (c Conv) at(w []float32, ky, kx int) []float32 {
	n := c.Cin * c.Cout
	return w[(ky*c.KernelW+kx)*n:][:n]
}

// tap is a part of a form for the output channels from j on and one input that
// the window sees.
func (f *form) tap(part, j, ty, tx int) []float32 {
	n := f.cells * f.width
	return f.panel(j)[((part*f.down+ty)*f.across+tx)*n:][:n]
}

// copyTap fills one tap from w, [in][out]. scratch has room for a row.
func (f *form) copyTap(ty, tx int, w, scratch []float32) {
	for j := 0; j < f.out; j += f.width {
		to, cols := f.tap(0, j, ty, tx), min(f.width, f.out-j)
		row := func(i int) []float32 { return w[i*f.out+j:][:cols] }
		for i := range f.cells {
			cell := to[i*f.width:][:cols]
			switch {
			case !f.gemm.pairs:
				copy(cell, row(i))
			case 2*i+1 < f.in:
				f.gemm.zip(cell, row(2*i), row(2*i+1))
			default:
				zeros := scratch[:cols]
				clear(zeros)
				f.gemm.zip(cell, row(2*i), zeros)
			}
		}
	}
}

// transposeTap fills one tap of f from w, [out][in]. scratch has room for a
// panel's rows.
func (s *Set) transposeTap(f *form, ty, tx int, w, scratch []float32) {
	for j := 0; j < f.out; j += f.width {
		to, rows := f.tap(0, j, ty, tx), min(f.width, f.out-j)
		from, distance := w[j*f.in:], f.in
		if f.gemm.pairs {
			from, distance = scratch, f.cells
			for r := range rows {
				f.gemm.pairRow(scratch[r*f.cells:], w[(j+r)*f.in:][:f.in])
			}
		}
		s.vec.turn(to, f.width, from, distance, rows, f.cells)
	}
}

// pairRow writes the cells of the terms x; an odd last one is joined with zero.
func (g *gemm) pairRow(cells, x []float32) {
	g.narrow(cells, x)
	if n := len(x); n%2 != 0 {
		cells[n/2] = pair(x[n-1], 0)
	}
}
