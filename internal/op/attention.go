package op

import G "gorgonia.org/gorgonia"

// Attention is softmax(q·kᵀ/√d)·v for each head of each image, where d is the
// channels of a head and a pixel is a token (Vaswani et al. 2017, equation 1).
func (b *Graph) Attention(q, k, v *G.Node, heads int) *G.Node {
	s := q.Shape()
	tokens := s.TotalSize() / (b.N * s[len(s)-1])
	lse := b.cell(b.N, heads, tokens) // log of the softmax's denominators
	return b.must(spec{
		kind: "attention", class: "attention", shape: s.Clone(), wrt: []bool{true, true, true},
		makes: []*cell{lse},
		work:  b.attentionWork(s, 2, 4),
		compute: func(p *part) {
			b.dev.Attention(p.out[0], p.out[1], p.in[0], p.in[1], p.in[2], p.n, heads)
		},
		backward: func(in G.Nodes, o, do *G.Node) (G.Nodes, error) {
			return b.attentionBackward(in, o, do, lse, heads), nil
		},
	}, q, k, v)
}

// attentionBackward computes the three gradients at once.
func (b *Graph) attentionBackward(in G.Nodes, o, do *G.Node, lse *cell, heads int) G.Nodes {
	shape := in[0].Shape()
	dk, dv := b.cell(shape...), b.cell(shape...)
	dq := b.must(spec{
		kind: "dq", class: "attention backward", shape: shape.Clone(),
		makes: []*cell{dk, dv}, uses: []*cell{lse},
		work: b.attentionWork(shape, 5, 8),
		compute: func(p *part) {
			b.dev.AttentionBackward(p.out[0], p.out[1], p.out[2], p.in[0], p.in[1], p.in[5], p.in[2], p.in[3], p.in[4], p.n, heads)
		},
	}, do, o, in[0], in[1], in[2])
	return G.Nodes{dq, b.hand("dk", dk.shape, dk, dq), b.hand("dv", dv.shape, dv, dq)}
}
