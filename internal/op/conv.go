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
	geometry, shape := b.convolution(x, c)
	return b.convolve("conv", shape, geometry, f, needDX, x, w, bias)
}

// ConvReLU is max(0, y) for y of Conv, with weights that f alone holds. It is
// for inference: it has no gradient.
func (b *Graph) ConvReLU(x, bias *G.Node, f Filter, c kernel.Conv) *G.Node {
	c.ReLU = true
	geometry, shape := b.convolution(x, c)
	return b.must(spec{
		kind: "conv_relu", class: "conv", shape: shape, wrt: []bool{true, true}, places: true,
		size: convSize(geometry(1)), work: b.convWork(geometry),
		compute: func(p *part) {
			c := geometry(p.n)
			c.Into = p.into
			b.dev.Conv(p.out[0], p.in[0], f, p.in[1], nil, nil, c)
		},
		backward: noGradient,
	}, x, bias)
}

// convolution is c over n images of x, and the shape of its output.
func (b *Graph) convolution(x *G.Node, c kernel.Conv) (geometry func(n int) kernel.Conv, shape tensor.Shape) {
	s := x.Shape()
	c.N, c.H, c.W = b.N, s[1], s[2]
	h, w := c.Out()
	return func(n int) kernel.Conv {
		c.N = n
		return c
	}, tensor.Shape{b.N, h, w, c.Cout}
}

// Linear is x·w + bias over the last dimension of x, with weights (in, out); bias
// may be nil.
func (b *Graph) Linear(x, w, bias *G.Node, f Filter) *G.Node {
	s, k := x.Shape(), w.Shape()
	rows := s.TotalSize() / (b.N * s[len(s)-1])
	shape := s.Clone()
	shape[len(shape)-1] = k[1]
	return b.convolve("linear", shape, func(n int) kernel.Conv {
		return kernel.Conv{N: 1, H: n * rows, W: 1, Cin: k[0], Cout: k[1], Window: kernel.Square(1), Stride: 1}
	}, f, true, x, w, bias)
}

// convolve is what Conv and Linear share: geometry is that of n images.
func (b *Graph) convolve(kind string, shape tensor.Shape, geometry func(n int) kernel.Conv, f Filter, needDX bool, x, w, bias *G.Node) *G.Node {
	inputs, wrt := G.Nodes{x, w}, []bool{needDX, true}
	if bias != nil {
		inputs, wrt = append(inputs, bias), append(wrt, true)
	}
	return b.must(spec{
		kind: kind, class: kind, shape: shape, wrt: wrt,
		plus: true, rows: geometry(1).Window != kernel.Square(1), size: convSize(geometry(1)), work: b.convWork(geometry),
		compute: func(p *part) {
			var bias *tensor.Dense
			if len(p.in) > 2 {
				bias = p.in[2]
			}
			b.dev.Conv(p.out[0], p.in[0], f, bias, p.rows, p.from, geometry(p.n))
		},
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			var dx *G.Node
			if needDX {
				dx = b.convBackwardData(kind, in[0].Shape(), geometry, f, dy)
			}
			return append(G.Nodes{dx}, b.convBackwardWeights(kind, geometry, in, dy)...), nil
		},
	}, inputs...)
}

func (b *Graph) convBackwardData(kind string, shape tensor.Shape, geometry func(n int) kernel.Conv, f Filter, dy *G.Node) *G.Node {
	return b.must(spec{
		kind: "dx", class: kind + " backward data", shape: shape.Clone(),
		plus: true, size: convSize(geometry(1)), work: b.convWork(geometry),
		compute: func(p *part) { b.dev.ConvBackwardData(p.out[0], p.in[0], f, p.from, geometry(p.n)) },
	}, dy)
}

// convBackwardWeights adds to the sinks of the weights and, if there is one, the
// bias in one pass; the nodes stand for that. in is x, weights and bias.
func (b *Graph) convBackwardWeights(kind string, geometry func(n int) kernel.Conv, in G.Nodes, dy *G.Node) G.Nodes {
	x, w := in[0], in[1]
	toW, toB := b.sink(w), new(sink)
	if len(in) > 2 {
		toB = b.sink(in[2])
	}
	dw := b.must(spec{
		kind: "dw", class: kind + " backward weights", shape: w.Shape().Clone(), sinks: true,
		size: convSize(geometry(1)), work: b.convWork(geometry),
		compute: func(p *part) { b.dev.ConvBackwardWeights(toW.to, toB.to, p.in[0], p.in[1], geometry(p.n)) },
	}, x, dy)
	grads := G.Nodes{dw}
	for _, bias := range in[2:] {
		grads = append(grads, b.hand("db", bias.Shape(), nil, dw))
	}
	return grads
}

// hand is a node for what another node's computation has made beside its
// output: a cell, or nil for what it has added to a sink.
func (b *Graph) hand(kind string, shape tensor.Shape, c *cell, after *G.Node) *G.Node {
	return b.must(spec{kind: kind, shape: shape.Clone(), hands: c}, after)
}
