package op

import (
	"errors"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
)

// AvgPool is the mean of what each window sees of NHWC images: PyTorch's
// AvgPool2d with count_include_pad=False. pool says how the window slides; the
// images' number, size and channels are taken from x.
func (b *Graph) AvgPool(x *G.Node, pool kernel.Pool) *G.Node {
	geometry, shape := b.pooling(x, pool)
	return b.must(spec{
		kind: "avg_pool", class: "pool", shape: shape, wrt: []bool{true},
		work:    b.copyWork(x.Shape(), shape),
		compute: func(p *part) { b.dev.AvgPool(p.out[0], p.in[0], geometry(p.n)) },
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			return G.Nodes{b.must(spec{
				kind: "dx", class: "pool backward", shape: in[0].Shape().Clone(),
				work:    b.copyWork(x.Shape(), shape),
				compute: func(p *part) { b.dev.AvgPoolBackward(p.out[0], p.in[0], geometry(p.n)) },
			}, dy)}, nil
		},
	}, x)
}

// MaxPool is the largest of what each window sees of NHWC images: PyTorch's
// MaxPool2d. It is for inference: it has no gradient.
func (b *Graph) MaxPool(x *G.Node, pool kernel.Pool) *G.Node {
	geometry, shape := b.pooling(x, pool)
	return b.must(spec{
		kind: "max_pool", class: "pool", shape: shape, wrt: []bool{true}, places: true,
		work: b.copyWork(x.Shape(), shape),
		compute: func(p *part) {
			pool := geometry(p.n)
			pool.Into = p.into
			b.dev.MaxPool(p.out[0], p.in[0], pool)
		},
		backward: noGradient,
	}, x)
}

// noGradient is the gradient of an op for inference only.
func noGradient(G.Nodes, *G.Node, *G.Node) (G.Nodes, error) {
	return nil, errors.New("this op has no gradient: it is for inference only")
}

// pooling is p over n images of x, and the shape of its output.
func (b *Graph) pooling(x *G.Node, p kernel.Pool) (geometry func(n int) kernel.Pool, shape tensor.Shape) {
	s := x.Shape()
	p.N, p.H, p.W, p.C = b.N, s[1], s[2], s[3]
	h, w := p.Out()
	return func(n int) kernel.Pool {
		p.N = n
		return p
	}, tensor.Shape{b.N, h, w, p.C}
}

// GlobalAvgPool is the mean over the pixels of each image x (n, h, w, c): (n, c).
func (b *Graph) GlobalAvgPool(x *G.Node) *G.Node {
	s := x.Shape()
	shape := tensor.Shape{b.N, s[len(s)-1]}
	return b.must(spec{
		kind: "global_avg_pool", class: "pool", shape: shape, wrt: []bool{true},
		work:    b.copyWork(s, shape),
		compute: func(p *part) { b.dev.GlobalAvgPool(p.out[0], p.in[0], p.n) },
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			return G.Nodes{b.must(spec{
				kind: "dx", class: "pool backward", shape: in[0].Shape().Clone(),
				work:    b.copyWork(s, shape),
				compute: func(p *part) { b.dev.GlobalAvgPoolBackward(p.out[0], p.in[0], p.n) },
			}, dy)}, nil
		},
	}, x)
}
