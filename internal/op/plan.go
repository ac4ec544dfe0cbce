package op

import (
	"gorgonia.org/tensor"
)

// plan gives every value the buffer it lives in, and every step its tensors for
// each part of the batch. Two values share a buffer where the first is dead
// before the second is made; one that lives within a segment needs room for a
// part only, and stays in a near cache.
func plan(b *Graph, segments []segment) {
	p := &planner{b: b, free: map[room][]*tensor.Dense{}}
	for _, seg := range segments {
		for _, s := range seg.steps {
			for _, v := range s.values() {
				v.last = s.number
			}
		}
	}
	for i := range segments {
		p.segment = &segments[i]
		for _, s := range p.segment.steps {
			p.assign(s)
		}
	}
	for _, seg := range segments {
		for _, s := range seg.steps {
			s.split(b, seg.images)
		}
	}
}

// values are all that a step reads and writes, without the scalars.
func (s *step) values() (vs []*value) {
	for _, list := range [][]*value{s.in, {s.from, s.rows}, s.out} {
		for _, v := range list {
			if v != nil {
				vs = append(vs, v)
			}
		}
	}
	return vs
}

// planner hands out buffers in the order of execution.
type planner struct {
	b       *Graph
	segment *segment // the present one
	free    map[room][]*tensor.Dense
}

// room is a kind of buffer: its elements, and whether they are a part's or the
// whole batch's. The two are never exchanged: while one part is computed, others
// of the batch are still to be read.
type room struct {
	size int
	part bool
}

// assign finds buffers for what s writes and takes back those of what dies with it.
func (p *planner) assign(s *step) {
	for i, v := range s.out {
		if v != nil && v.whole == nil { // else another step makes a part of it
			v.part = !v.result && v.last <= p.segment.end()
			v.whole = p.over(s, i)
			if v.whole == nil {
				v.whole = p.take(v)
			}
		}
	}
	for _, v := range s.values() {
		if v.last == s.number && v.maker != nil && !v.result && !v.freed {
			v.freed = true
			p.free[p.room(v)] = append(p.free[p.room(v)], v.whole)
		}
	}
}

// end is the number of a segment's last step.
func (g *segment) end() int { return g.steps[len(g.steps)-1].number }

// room is where v belongs.
func (p *planner) room(v *value) room {
	n := v.shape.TotalSize()
	if v.part {
		n = n / p.b.N * p.segment.images
	}
	return room{n, v.part}
}

// over is the buffer of an operand that dies with s and that s may overwrite
// with its output; nil where there is none.
func (p *planner) over(s *step, i int) *tensor.Dense {
	if i > 0 {
		return nil // what is made beside the output
	}
	candidates := []*value{s.from}
	for _, k := range s.op.over {
		candidates = append(candidates, s.in[k])
	}
	for _, v := range candidates {
		if v != nil && v.maker != nil && v.last == s.number && !v.result && !v.freed && p.room(v) == p.room(s.out[0]) {
			v.freed = true
			return p.view(v.whole, s.out[0])
		}
	}
	return nil
}

// take is a buffer for v: a dead value's where there is one of the kind.
func (p *planner) take(v *value) *tensor.Dense {
	r := p.room(v)
	if pool := p.free[r]; len(pool) > 0 {
		p.free[r] = pool[:len(pool)-1]
		return p.view(pool[len(pool)-1], v)
	}
	return p.b.dev.New(p.shape(v)...)
}

// view is v's shape over a buffer of its room.
func (p *planner) view(t *tensor.Dense, v *value) *tensor.Dense {
	return p.b.dev.View(t, p.shape(v)...)
}

func (p *planner) shape(v *value) tensor.Shape {
	s := v.shape.Clone()
	if v.part {
		s[0] = p.segment.images
	}
	return s
}

// split gives s its tensors for each part of so many images.
func (s *step) split(b *Graph, images int) {
	for lo := 0; lo < b.N; lo += images {
		at := func(v *value) *tensor.Dense { return v.at(b.dev, lo, min(images, b.N-lo)) }
		p := part{lo: lo, from: at(s.from), rows: at(s.rows), into: s.into}
		for _, v := range s.out {
			p.out = append(p.out, at(v))
		}
		for _, v := range s.in {
			p.in = append(p.in, at(v))
		}
		s.parts = append(s.parts, p)
	}
}

// at is where images [lo, lo+n) of a batch lie; the whole of anything else.
func (v *value) at(dev Device, lo, n int) *tensor.Dense {
	switch {
	case v == nil:
		return nil
	case !v.batch || v.part || n == v.shape[0]:
		return v.whole
	default:
		return dev.Images(v.whole, lo, n)
	}
}
