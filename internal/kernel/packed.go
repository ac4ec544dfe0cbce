package kernel

import "fmt"

// Packed is the weights of a convolution in the forms the kernels read. Many
// goroutines may use one while nobody packs it anew.
type Packed struct {
	conv     Conv
	forward  *form
	backward []*form // one for each phase of the stride; nil without gradient
}

// span is consecutive window positions along one axis, relative to the pixel
// the window stands at.
type span struct{ first, count int }

// form is weights packed for one product: for each panel of output channels
// the terms of the sum in order, [out/16][y.count][x.count][in][16]. Channels
// that fill up the last panel have zero weights.
type form struct {
	y, x    span
	in, out int
	weights []float32
}

// panel is the part for the output channels from j on, a multiple of panelCols.
func (f *form) panel(j int) []float32 {
	n := f.y.count * f.x.count * f.in
	return f.weights[j*n:][:n*panelCols]
}

// newForm allocates an all-zero form.
func newForm(y, x span, in, out int) *form {
	if y.count == 0 || x.count == 0 {
		y, x = span{}, span{} // a window that reads nothing
	}
	return &form{y: y, x: x, in: in, out: out,
		weights: aligned[float32](panels(out) * panelCols * y.count * x.count * in)}
}

// NewPacked allocates the forms of c's weights: c's Cin, Cout, Kernel and
// Stride count. Without grad there is no form for ConvBackwardData.
func (s *Set) NewPacked(c Conv, grad bool) *Packed {
	c.N, c.H, c.W = 1, 1, 1
	c.check()
	whole := span{-c.pad(), c.Kernel}
	p := &Packed{conv: c, forward: newForm(whole, whole, c.Cin, c.Cout)}
	if grad {
		for y := range c.Stride {
			for x := range c.Stride {
				p.backward = append(p.backward, newForm(c.phase(y), c.phase(x), c.Cout, c.Cin))
			}
		}
	}
	return p
}

// phase is the outputs that an input at coordinate i = phase (mod Stride)
// takes part in, relative to output i/Stride: the o with i = Stride·o + k - pad
// for a window position k.
func (c Conv) phase(phase int) (s span) {
	for at := c.Kernel; at >= -c.Kernel; at-- {
		if k := c.window(phase, at); k >= 0 && k < c.Kernel {
			s = span{at, s.count + 1}
		}
	}
	return s
}

// window is the position in the window at which output i/Stride+at reads the
// input i of that phase.
func (c Conv) window(phase, at int) int { return phase + c.pad() - c.Stride*at }

// check panics unless p holds weights for c.
func (p *Packed) check(c Conv) {
	c.N, c.H, c.W = 1, 1, 1
	if p.conv != c {
		panic(fmt.Sprintf("kernel: weights packed for %+v used for %+v", p.conv, c))
	}
}

// Pack fills p from w, [ky][kx][Cin][Cout].
func (s *Set) Pack(p *Packed, w []float32) {
	c := p.conv
	mustHave("weights", w, c.Weights())
	tap := func(ky, kx int) []float32 { return w[(ky*c.Kernel+kx)*c.Cin*c.Cout:][:c.Cin*c.Cout] }
	for ky := range c.Kernel {
		for kx := range c.Kernel {
			p.forward.copyTap(ky, kx, tap(ky, kx))
		}
	}
	for i, f := range p.backward {
		for ty := range f.y.count {
			for tx := range f.x.count {
				ky, kx := c.window(i/c.Stride, f.y.first+ty), c.window(i%c.Stride, f.x.first+tx)
				f.transposeTap(ty, tx, tap(ky, kx))
			}
		}
	}
}

// tap is the part of a form for the output channels from j on and one window position.
func (f *form) tap(j, ty, tx int) []float32 {
	n := f.in * panelCols
	return f.panel(j)[(ty*f.x.count+tx)*n:][:n]
}

// copyTap fills one window position from w, [in][out].
func (f *form) copyTap(ty, tx int, w []float32) {
	for j := 0; j < f.out; j += panelCols {
		to, cols := f.tap(j, ty, tx), min(panelCols, f.out-j)
		for i := range f.in {
			copy(to[i*panelCols:], w[i*f.out+j:][:cols])
		}
	}
}

// transposeTap fills one window position from w, [out][in].
func (f *form) transposeTap(ty, tx int, w []float32) {
	for j := range f.out {
		to := f.tap(j/panelCols*panelCols, ty, tx)
		for i, v := range w[j*f.in:][:f.in] {
			to[i*panelCols+j%panelCols] = v
		}
	}
}
