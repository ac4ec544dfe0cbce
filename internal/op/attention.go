package op

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Attention is softmax(q·kᵀ/√d)·v for each head of each image, where d is the
// channels of a head and a pixel is a token (Vaswani et al. 2017, equation 1).
func (b *Graph) Attention(q, k, v *G.Node, heads int) *G.Node {
	s := q.Shape()
	lse := b.dev.New(b.N, heads, s.TotalSize()/(b.N*s[len(s)-1])) // log of the softmax's denominators
	return b.must(spec{
		kind: "attention", shape: s.Clone(), wrt: []bool{true, true, true},
		forward: func(o *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.Attention(o, lse, in[0], in[1], in[2], b.active, heads)
			return o, nil
		},
		backward: func(in G.Nodes, o, do *G.Node) (G.Nodes, error) {
			return b.attentionBackward(in, o, do, lse, heads), nil
		},
	}, q, k, v)
}

// attentionBackward computes the three gradients at once; dk and dv live in
// buffers of their own ops, which run after dq has filled them.
func (b *Graph) attentionBackward(in G.Nodes, o, do *G.Node, lse *tensor.Dense, heads int) G.Nodes {
	shape := in[0].Shape()
	dk, dv := b.dev.New(shape...), b.dev.New(shape...)
	dq := b.must(spec{
		kind: "dq", shape: shape.Clone(),
		forward: func(dq *tensor.Dense, v []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.AttentionBackward(dq, dk, dv, v[0], v[1], lse, v[2], v[3], v[4], b.active, heads)
			return dq, nil
		},
	}, do, o, in[0], in[1], in[2])
	return G.Nodes{dq,
		b.hand("dk", shape, func() *tensor.Dense { return dk }, dq),
		b.hand("dv", shape, func() *tensor.Dense { return dv }, dq),
	}
}
