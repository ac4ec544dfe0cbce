package op

import (
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
)

// SiLU is x·sigmoid(x).
func (b *Graph) SiLU(x *G.Node) *G.Node {
	return b.must(spec{
		kind: "silu", class: "elementwise", shape: x.Shape().Clone(), wrt: []bool{true},
		work:    b.passWork(x.Shape(), 2),
		compute: func(p *part) { b.dev.SiLU(p.out[0], p.in[0], p.n) },
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			return G.Nodes{b.must(spec{
				kind: "dx", class: "elementwise", shape: in[0].Shape().Clone(), over: []int{0},
				work:    b.passWork(x.Shape(), 3),
				compute: func(p *part) { b.dev.SiLUBackward(p.out[0], p.in[0], p.in[1], p.n) },
			}, dy, in[0])}, nil
		},
	}, x)
}

// Leaky is kernel.Leaky. The output may take x's memory: the gradient reads the
// output only.
func (b *Graph) Leaky(x *G.Node, l kernel.Leaky) *G.Node {
	return b.must(spec{
		kind: "leaky", class: "elementwise", shape: x.Shape().Clone(), wrt: []bool{true}, over: []int{0},
		work:    b.passWork(x.Shape(), 2),
		compute: func(p *part) { b.dev.Leaky(p.out[0], p.in[0], p.n, l) },
		backward: func(in G.Nodes, y, dy *G.Node) (G.Nodes, error) {
			return G.Nodes{b.must(spec{
				kind: "dx", class: "elementwise", shape: in[0].Shape().Clone(), over: []int{0},
				work:    b.passWork(x.Shape(), 3),
				compute: func(p *part) { b.dev.LeakyBackward(p.out[0], p.in[0], p.in[1], p.n, l) },
			}, dy, y)}, nil
		},
	}, x)
}

// Add is x + y, of the same shape; both gradients are the sum's.
func (b *Graph) Add(x, y *G.Node) *G.Node {
	s := b.addition("add", x.Shape())
	s.wrt = []bool{true, true}
	s.backward = func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) { return G.Nodes{dy, dy}, nil }
	return b.must(s, x, y)
}

// addition is the op of a sum, without its gradient.
func (b *Graph) addition(kind string, shape tensor.Shape) spec {
	return spec{
		kind: kind, class: "elementwise", shape: shape.Clone(), sum: true, over: []int{0, 1},
		work:    b.passWork(shape, 3),
		compute: func(p *part) { b.dev.Add(p.out[0], p.in[0], p.in[1], p.n) },
	}
}

// AddChannels adds e (n, c) to every pixel of x (n, h, w, c).
func (b *Graph) AddChannels(x, e *G.Node) *G.Node {
	return b.must(spec{
		kind: "add_channels", class: "elementwise", shape: x.Shape().Clone(), wrt: []bool{true, true},
		addsRows: true, over: []int{0},
		work:    b.passWork(x.Shape(), 2),
		compute: func(p *part) { b.dev.AddChannels(p.out[0], p.in[0], p.in[1], p.n) },
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			de := b.must(spec{
				kind: "de", class: "elementwise", shape: in[1].Shape().Clone(),
				work:    b.passWork(x.Shape(), 1),
				compute: func(p *part) { b.dev.SumPixels(p.out[0], p.in[0], p.n) },
			}, dy)
			return G.Nodes{dy, de}, nil
		},
	}, x, e)
}

// Concat puts the channels of xs behind each other. Where they are made
// by ConvReLU or MaxPool and nothing else reads them, they are written to its
// output at once.
func (b *Graph) Concat(xs ...*G.Node) *G.Node {
	shape := xs[0].Shape().Clone()
	last := len(shape) - 1
	for _, x := range xs[1:] {
		shape[last] += x.Shape()[last]
	}
	return b.must(spec{
		kind: "concat", class: "concat", shape: shape, wrt: slices.Repeat([]bool{true}, len(xs)), joins: true,
		work:     b.passWork(shape, 2),
		compute:  func(p *part) { b.dev.Concat(p.out[0], p.in, p.n) },
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) { return b.split(in, dy), nil },
	}, xs...)
}

// split parts dy, the gradient of Concat's output, into those of its inputs.
func (b *Graph) split(in G.Nodes, dy *G.Node) G.Nodes {
	var others []*cell
	for _, x := range in[1:] {
		others = append(others, b.cell(x.Shape()...))
	}
	dx := b.must(spec{
		kind: "dx", class: "concat", shape: in[0].Shape().Clone(), makes: others,
		work:    b.passWork(dy.Shape(), 2),
		compute: func(p *part) { b.dev.Split(p.out, p.in[0], p.n) },
	}, dy)
	grads := G.Nodes{dx}
	for _, c := range others {
		grads = append(grads, b.hand("dx", c.shape, c, dx))
	}
	return grads
}

// Resize is the bilinear interpolation of NHWC images x that r says; their
// number, size and channels are taken from x. It is for data, which has no
// gradient.
func (b *Graph) Resize(x *G.Node, r kernel.Resize) *G.Node {
	s := x.Shape()
	r.H, r.W, r.C = s[1], s[2], s[3]
	shape := tensor.Shape{b.N, r.OutH, r.OutW, r.OutC}
	return b.must(spec{
		kind: "resize", class: "elementwise", shape: shape,
		work: b.copyWork(s, shape),
		compute: func(p *part) {
			r := r
			r.N = p.n
			b.dev.Resize(p.out[0], p.in[0], r)
		},
	}, x)
}

// Embed is the sinusoidal embedding of timesteps t (n) in dim channels, which
// is data: it has no gradient.
func (b *Graph) Embed(t *G.Node, dim int) *G.Node {
	return b.must(spec{
		kind: "time_proj", class: "elementwise", shape: tensor.Shape{b.N, dim},
		compute: func(p *part) { b.dev.Embed(p.out[0], p.in[0], p.n) },
	}, t)
}

// Lookup is the row of table (rows, dim) that each of index (n) names, which is
// data: whole numbers from 0, as floats.
func (b *Graph) Lookup(table, index *G.Node) *G.Node {
	shape := tensor.Shape{b.N, table.Shape()[1]}
	return b.must(spec{
		kind: "lookup", class: "elementwise", shape: shape, wrt: []bool{true, false},
		work:    b.passWork(shape, 2),
		compute: func(p *part) { b.dev.Lookup(p.out[0], p.in[0], p.in[1], p.n) },
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			to := b.sink(in[0])
			return G.Nodes{b.must(spec{
				kind: "dtable", class: "elementwise", shape: in[0].Shape().Clone(), sinks: true,
				work:    b.passWork(shape, 2),
				compute: func(p *part) { b.dev.LookupBackward(to.to, p.in[0], p.in[1], p.n) },
			}, dy, in[1]), nil}, nil
		},
	}, table, index)
}
