package op

import (
	G "gorgonia.org/gorgonia"
)

// GroupNorm normalises each group of channels of each image and scales and
// shifts the channels by gamma and beta (Wu & He 2018), then applies SiLU where
// g says so.
func (b *Graph) GroupNorm(x, gamma, beta *G.Node, g Norm) *G.Node {
	mean, rstd := b.cell(b.N, g.Groups), b.cell(b.N, g.Groups)
	return b.must(spec{
		kind: "norm", class: "norm", shape: x.Shape().Clone(), wrt: []bool{true, true, true},
		makes: []*cell{mean, rstd}, over: []int{0},
		work: b.passWork(x.Shape(), 3),
		compute: func(p *part) {
			b.dev.GroupNorm(p.out[0], p.out[1], p.out[2], p.in[0], p.in[1], p.in[2], p.n, g)
		},
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			toGamma, toBeta := b.sink(in[1]), b.sink(in[2])
			dx := b.must(spec{
				kind: "dx", class: "norm backward", shape: in[0].Shape().Clone(),
				uses: []*cell{mean, rstd}, over: []int{0}, plus: true,
				work: b.passWork(in[0].Shape(), 5),
				compute: func(p *part) {
					b.dev.GroupNormBackward(p.out[0], toGamma.to, toBeta.to, p.in[0], p.in[1], p.in[4], p.in[5], p.in[2], p.in[3], p.from, p.n, g)
				},
			}, dy, in[0], in[1], in[2])
			return G.Nodes{dx, b.hand("dgamma", in[1].Shape(), nil, dx), b.hand("dbeta", in[2].Shape(), nil, dx)}, nil
		},
	}, x, gamma, beta)
}
