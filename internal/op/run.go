package op

import (
	"fmt"
	"time"
)

// Run computes the graph for the first n images of its inputs. A panic in an op
// becomes an error that names it.
func (b *Graph) Run(n int) (err error) {
	if n < 1 || n > b.N {
		return fmt.Errorf("a graph for %d images cannot run %d", b.N, n)
	}
	b.active = n
	var running *op
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", running.name, r)
		}
	}()
	for i := range b.program.segments {
		seg := &b.program.segments[i]
		for lo := 0; lo < n; lo += seg.images {
			for _, s := range seg.steps {
				running = s.op
				p := &s.parts[lo/seg.images]
				p.n = min(seg.images, n-lo)
				b.compute(s, p)
			}
		}
	}
	return nil
}

// compute does one step for one part, and what is to be noted of it.
func (b *Graph) compute(s *step, p *part) {
	if b.profile != nil {
		defer b.profile.Add(s.class, time.Now(), p.n, s.op.work)
	}
	s.op.compute(p)
	if b.check && b.first == "" && !b.finite(s.op, p) {
		b.first = s.op.name
	}
}

// finite looks at what a step has written of the active images.
func (b *Graph) finite(o *op, p *part) bool {
	t := p.out[0]
	if t == nil {
		return true
	}
	x := front(t, p.n)
	if p.into.Of == 0 {
		return b.dev.AllFinite(x)
	}
	for ; len(x) > 0; x = x[p.into.Of:] { // a pixel, to which others have yet to write
		if !b.dev.AllFinite(x[p.into.At:][:o.shape[len(o.shape)-1]]) {
			return false
		}
	}
	return true
}

// FirstNonFinite runs the graph once more on the inputs it has and names the
// first op, in the order of computation, whose output holds a NaN or an
// infinity; it is empty where there is none.
func (b *Graph) FirstNonFinite() (string, error) {
	b.check, b.first = true, ""
	defer func() { b.check = false }()
	err := b.Run(b.active)
	return b.first, err
}
