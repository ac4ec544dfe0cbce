package kernel

import (
	"fmt"
	"math/bits"
)

// maxWindow is the most pixels of a window's height and width.
const maxWindow = 7

// Window is what slides over images: KernelH×KernelW pixels, up to 7×7, over
// images with a border of PadH rows and PadW columns of zeros on each side.
type Window struct{ KernelH, KernelW, PadH, PadW int }

// Square is a window of k×k pixels, k being odd, with the padding that keeps an
// image's size at stride 1.
func Square(k int) Window { return Window{k, k, k / 2, k / 2} }

// Valid is a window of h×w pixels without padding: it stays within the image.
func Valid(h, w int) Window { return Window{KernelH: h, KernelW: w} }

// single says that the window is one pixel.
func (w Window) single() bool { return w.KernelH == 1 && w.KernelW == 1 }

// check panics if the window is not one the kernels can slide.
func (w Window) check() {
	fits := func(kernel, pad int) bool { return kernel >= 1 && kernel <= maxWindow && pad >= 0 && pad < kernel }
	if !fits(w.KernelH, w.PadH) || !fits(w.KernelW, w.PadW) {
		panic(fmt.Sprintf("kernel: window %+v, not 1×1 to %d×%d with padding smaller than that", w, maxWindow, maxWindow))
	}
}

// places is in how many places a window of so many pixels fits into n, stride
// apart.
func places(n, kernel, stride int) int { return (n-kernel)/stride + 1 }

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
	sums         [maxWindow]positions
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

// side is a window along one axis.
type side struct{ kernel, pad int }

func (w Window) down() side   { return side{w.KernelH, w.PadH} }
func (w Window) across() side { return side{w.KernelW, w.PadW} }

// axis is a window that slides along one axis: in place q it sees the inputs
// from step·q + first on and yields the output at + spread·q.
type axis struct {
	span
	step, at, spread int
}

// places is the number of places that yield one of n outputs.
func (a axis) places(n int) int { return (n - a.at + a.spread - 1) / a.spread }

// border is how many pixels beyond the n of the input the window sees, in the
// places that yield so many outputs, on the side where they are more.
func (a axis) border(n, outputs int) int {
	end := a.step*(a.places(outputs)-1) + a.first + a.count
	return max(-a.first, end-n, 0)
}

// forwardAxis is the forward pass for the outputs o = enlarged·q + phase.
// Position k of the window sees pixel Stride·o + k - pad of the enlarged input.
func (c Conv) forwardAxis(w side, phase int) axis {
	e := c.enlarged()
	a := axis{step: c.Stride, at: phase, spread: e}
	for k := range w.kernel {
		a.add((phase+k-w.pad+e)/e-1, k) // rounded down: +e, -1 keep the division positive where e is 2
	}
	return a
}

// backwardAxis is the backward pass for the inputs i = Stride·q + phase: each
// is where position k of the window saw it from an output o, that is
// enlarged·i + (0 or, if enlarged, 1) = Stride·o + k - pad.
func (c Conv) backwardAxis(w side, phase int) axis {
	a := axis{step: c.enlarged(), at: phase, spread: c.Stride}
	for doubled := range c.enlarged() {
		for k := range w.kernel {
			if o := phase + doubled + w.pad - k; o%c.Stride == 0 {
				a.add(o/c.Stride, k)
			}
		}
	}
	return a
}

// forward is the i-th pass that computes the output: one, or one for each
// pixel that an input pixel is doubled to.
func (c Conv) forward(i int) (down, across axis) {
	return c.forwardAxis(c.down(), i/c.enlarged()), c.forwardAxis(c.across(), i%c.enlarged())
}

// backward is the i-th pass that computes the input's gradient. With stride 2
// the input's pixels fall into four phases by the parity of their coordinates;
// each sees its own part of the window.
func (c Conv) backward(i int) (down, across axis) {
	return c.backwardAxis(c.down(), i/c.Stride), c.backwardAxis(c.across(), i%c.Stride)
}
