package op

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// SiLU is x·sigmoid(x).
func (b *Graph) SiLU(x *G.Node) *G.Node {
	return b.must(spec{
		kind: "silu", shape: x.Shape().Clone(), wrt: []bool{true},
		forward: func(y *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.SiLU(y, in[0], b.active)
			return y, nil
		},
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			return G.Nodes{b.must(spec{
				kind: "dx", shape: in[0].Shape().Clone(),
				forward: func(dx *tensor.Dense, v []*tensor.Dense) (*tensor.Dense, error) {
					b.dev.SiLUBackward(dx, v[0], v[1], b.active)
					return dx, nil
				},
			}, dy, in[0])}, nil
		},
	}, x)
}

// Add is x + y, of the same shape; both gradients are the sum's.
func (b *Graph) Add(x, y *G.Node) *G.Node {
	return b.must(spec{
		kind: "add", shape: x.Shape().Clone(), wrt: []bool{true, true},
		forward: func(out *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.Add(out, in[0], in[1], b.active)
			return out, nil
		},
		backward: func(_ G.Nodes, _, dy *G.Node) (G.Nodes, error) { return G.Nodes{dy, dy}, nil },
	}, x, y)
}

// AddChannels adds e (n, c) to every pixel of x (n, h, w, c).
func (b *Graph) AddChannels(x, e *G.Node) *G.Node {
	return b.must(spec{
		kind: "add_channels", shape: x.Shape().Clone(), wrt: []bool{true, true},
		forward: func(y *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.AddChannels(y, in[0], in[1], b.active)
			return y, nil
		},
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			de := b.must(spec{
				kind: "de", shape: in[1].Shape().Clone(),
				forward: func(de *tensor.Dense, v []*tensor.Dense) (*tensor.Dense, error) {
					b.dev.SumPixels(de, v[0], b.active)
					return de, nil
				},
			}, dy)
			return G.Nodes{dy, de}, nil
		},
	}, x, e)
}

// Concat puts the channels of y behind those of x.
func (b *Graph) Concat(x, y *G.Node) *G.Node {
	shape := x.Shape().Clone()
	shape[len(shape)-1] += y.Shape()[len(shape)-1]
	return b.must(spec{
		kind: "concat", shape: shape, wrt: []bool{true, true},
		forward: func(out *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.Concat(out, in[0], in[1], b.active)
			return out, nil
		},
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			second := b.dev.New(in[1].Shape()...)
			dx := b.must(spec{
				kind: "dx", shape: in[0].Shape().Clone(),
				forward: func(dx *tensor.Dense, v []*tensor.Dense) (*tensor.Dense, error) {
					b.dev.Split(dx, second, v[0], b.active)
					return dx, nil
				},
			}, dy)
			return G.Nodes{dx, b.hand("dy", in[1].Shape(), func() *tensor.Dense { return second }, dx)}, nil
		},
	}, x, y)
}

// Embed is the sinusoidal embedding of timesteps t (n) in dim channels, which
// is data: it has no gradient.
func (b *Graph) Embed(t *G.Node, dim int) *G.Node {
	return b.must(spec{
		kind: "time_proj", shape: tensor.Shape{b.N, dim},
		forward: func(y *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.Embed(y, in[0], b.active)
			return y, nil
		},
	}, t)
}
