package op

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// GroupNorm normalises each group of channels of each image and scales and
// shifts the channels by gamma and beta (Wu & He 2018), then applies SiLU where
// g says so.
func (b *Graph) GroupNorm(x, gamma, beta *G.Node, g Norm) *G.Node {
	mean, rstd := b.dev.New(b.N, g.Groups), b.dev.New(b.N, g.Groups)
	return b.must(spec{
		kind: "norm", shape: x.Shape().Clone(), wrt: []bool{true, true, true},
		forward: func(y *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.GroupNorm(y, mean, rstd, in[0], in[1], in[2], b.active, g)
			return y, nil
		},
		backward: func(in G.Nodes, _, dy *G.Node) (G.Nodes, error) {
			toGamma, toBeta := b.sink(in[1]), b.sink(in[2])
			dx := b.must(spec{
				kind: "dx", shape: in[0].Shape().Clone(),
				forward: func(dx *tensor.Dense, v []*tensor.Dense) (*tensor.Dense, error) {
					b.dev.GroupNormBackward(dx, toGamma.to, toBeta.to, v[0], v[1], mean, rstd, v[2], v[3], b.active, g)
					return dx, nil
				},
			}, dy, in[0], in[1], in[2])
			dgamma := b.hand("dgamma", in[1].Shape(), func() *tensor.Dense { return toGamma.to }, dx)
			dbeta := b.hand("dbeta", in[2].Shape(), func() *tensor.Dense { return toBeta.to }, dx)
			return G.Nodes{dx, dgamma, dbeta}, nil
		},
	}, x, gamma, beta)
}
