package op

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
)

// Conv is a convolution of NHWC images with weights (ky, kx, in, out) and a
// bias for each output channel. c says what kind, as f was made for; the
// images' number and size are taken from x. needDX is false where x is data,
// which has no gradient.
func (b *Graph) Conv(x, w, bias *G.Node, f Filter, c kernel.Conv, needDX bool) *G.Node {
	s := x.Shape()
	c.N, c.H, c.W = b.N, s[1], s[2]
	h, wd := c.Out()
	return b.convolve("conv", tensor.Shape{b.N, h, wd, c.Cout}, func() kernel.Conv {
		c.N = b.active
		return c
	}, f, needDX, x, w, bias)
}

// Linear is x·w + bias over the last dimension of x, with weights (in, out). A
// nil bias needs none.
func (b *Graph) Linear(x, w, bias *G.Node, f Filter) *G.Node {
	s, k := x.Shape(), w.Shape()
	rows := s.TotalSize() / (b.N * s[len(s)-1])
	shape := s.Clone()
	shape[len(shape)-1] = k[1]
	return b.convolve("linear", shape, func() kernel.Conv {
		return kernel.Conv{N: 1, H: b.active * rows, W: 1, Cin: k[0], Cout: k[1], Kernel: 1, Stride: 1}
	}, f, true, x, w, bias)
}

// convolve is what Conv and Linear share: geometry is asked at each run for
// the images that are active.
func (b *Graph) convolve(kind string, shape tensor.Shape, geometry func() kernel.Conv, f Filter, needDX bool, x, w, bias *G.Node) *G.Node {
	return b.must(spec{
		kind: kind, shape: shape, wrt: []bool{needDX, true, true},
		forward: func(y *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.Conv(y, in[0], f, in[2], geometry())
			return y, nil
		},
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			var dx *G.Node
			if needDX {
				dx = b.convBackwardData(in[0].Shape(), geometry, f, dy)
			}
			dw, db := b.convBackwardWeights(geometry, in[0], in[1], in[2], dy)
			return G.Nodes{dx, dw, db}, nil
		},
	}, x, w, bias)
}

func (b *Graph) convBackwardData(shape tensor.Shape, geometry func() kernel.Conv, f Filter, dy *G.Node) *G.Node {
	return b.must(spec{
		kind: "dx", shape: shape.Clone(),
		forward: func(dx *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.ConvBackwardData(dx, in[0], f, geometry())
			return dx, nil
		},
	}, dy)
}

// convBackwardWeights adds to the sinks of w and bias in one pass; the second
// node only hands out what the first has made.
func (b *Graph) convBackwardWeights(geometry func() kernel.Conv, x, w, bias, dy *G.Node) (dw, db *G.Node) {
	toW, toB := b.sink(w), b.sink(bias)
	dw = b.must(spec{
		kind: "dw", shape: w.Shape().Clone(), alias: true,
		forward: func(_ *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.ConvBackwardWeights(toW.to, toB.to, in[0], in[1], geometry())
			return toW.to, nil
		},
	}, x, dy)
	return dw, b.hand("db", bias.Shape(), func() *tensor.Dense { return toB.to }, dw)
}

// hand is a node whose value another node's computation has made; after puts
// it behind that one.
func (b *Graph) hand(kind string, shape tensor.Shape, value func() *tensor.Dense, after *G.Node) *G.Node {
	return b.must(spec{
		kind: kind, shape: shape.Clone(), alias: true,
		forward: func(*tensor.Dense, []*tensor.Dense) (*tensor.Dense, error) { return value(), nil },
	}, after)
}
