package kernel

import "math/bits"

// positions is a set of positions in a window along one axis: bit k for
// position k.
type positions uint8

// each calls f with the positions in ascending order.
func (s positions) each(f func(k int)) {
	for ; s != 0; s &= s - 1 {
		f(bits.TrailingZeros8(uint8(s)))
	}
}

// span is the inputs that a window sees along one axis: count of them from
// first on, relative to where it stands. Input first+t is multiplied by the
// sum of the weights at the positions sums[t].
type span struct {
	first, count int
	sums         [4]positions
}

// add makes position k of the window see the input at.
func (s *span) add(at, k int) {
	if s.count == 0 {
		s.first = at
	}
	for ; at < s.first; s.first-- {
		copy(s.sums[1:], s.sums[:])
		s.sums[0] = 0
		s.count++
	}
	s.count = max(s.count, at-s.first+1)
	s.sums[at-s.first] |= 1 << k
}

// axis is a window that slides along one axis: in place q it sees the inputs
// from step·q + first on and yields the output at + spread·q.
type axis struct {
	span
	step, at, spread int
}

// places is the number of places that yield one of n outputs.
func (a axis) places(n int) int { return (n - a.at + a.spread - 1) / a.spread }

// forwardAxis is the forward pass for the outputs o = enlarged·q + phase.
// Position k of the window sees pixel Stride·o + k - pad of the enlarged input.
func (c Conv) forwardAxis(phase int) axis {
	e := c.enlarged()
	a := axis{step: c.Stride, at: phase, spread: e}
	for k := range c.Kernel {
		a.add((phase+k-c.pad()+e)/e-1, k) // rounded down: +e, -1 keep the division positive
	}
	return a
}

// backwardAxis is the backward pass for the inputs i = Stride·q + phase: each
// is where position k of the window saw it from an output o, that is
// enlarged·i + (0 or, if enlarged, 1) = Stride·o + k - pad.
func (c Conv) backwardAxis(phase int) axis {
	a := axis{step: c.enlarged(), at: phase, spread: c.Stride}
	for doubled := range c.enlarged() {
		for k := range c.Kernel {
			if o := phase + doubled + c.pad() - k; o%c.Stride == 0 {
				a.add(o/c.Stride, k)
			}
		}
	}
	return a
}

// forward is the i-th pass that computes the output: one, or one for each
// pixel that an input pixel is doubled to.
func (c Conv) forward(i int) (down, across axis) {
	return c.forwardAxis(i / c.enlarged()), c.forwardAxis(i % c.enlarged())
}

// backward is the i-th pass that computes the input's gradient. With stride 2
// the input's pixels fall into four phases by the parity of their coordinates;
// each sees its own part of the window.
func (c Conv) backward(i int) (down, across axis) {
	return c.backwardAxis(i / c.Stride), c.backwardAxis(i % c.Stride)
}
