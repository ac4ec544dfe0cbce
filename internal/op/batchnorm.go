package op

import (
	G "gorgonia.org/gorgonia"

	"diffuse/internal/kernel"
)

// Batch is the geometry of a batch normalisation.
type Batch struct {
	Eps   float32
	Leaky kernel.Leaky // applied to the result
}

// BatchNorm normalises each channel over all pixels of the micro-batch (Ioffe &
// Szegedy 2015: the batch that is normalised is what one worker holds), scales
// and shifts it by gamma and beta, and applies norm.Leaky. Beside the
// gradients it adds to those called mean and square each image's share of the
// channels' means and mean squares, which running statistics are made from.
func (b *Graph) BatchNorm(x, gamma, beta *G.Node, mean, square string, norm Batch) *G.Node {
	c := channelsOf(x)
	batchMean, rstd := b.cell(b.N, c), b.cell(b.N, c) // one row is used; a cell counts images
	toMean, toSquare := b.sinkOf(mean), b.sinkOf(square)
	return b.must(spec{
		kind: "batch_norm", class: "norm", shape: x.Shape().Clone(), wrt: []bool{true, true, true},
		makes: []*cell{batchMean, rstd}, whole: true,
		work: b.passWork(x.Shape(), 3),
		compute: func(p *part) {
			b.dev.BatchNorm(p.out[0], p.out[1], p.out[2], toMean.to, toSquare.to, p.in[0], p.in[1], p.in[2], p.n, norm)
		},
		backward: func(in G.Nodes, y, dy *G.Node) (G.Nodes, error) {
			toGamma, toBeta := b.sink(in[1]), b.sink(in[2])
			dx := b.must(spec{
				kind: "dx", class: "norm backward", shape: in[0].Shape().Clone(), whole: true,
				uses: []*cell{batchMean, rstd}, over: []int{0}, plus: true,
				work: b.passWork(in[0].Shape(), 5),
				compute: func(p *part) {
					b.dev.BatchNormBackward(p.out[0], toGamma.to, toBeta.to, p.in[0], p.in[1], p.in[2], p.in[4], p.in[5], p.in[3], p.from, p.n, norm)
				},
			}, dy, in[0], y, in[1])
			return G.Nodes{dx, b.hand("dgamma", in[1].Shape(), nil, dx), b.hand("dbeta", in[2].Shape(), nil, dx)}, nil
		},
	}, x, gamma, beta)
}

func channelsOf(x *G.Node) int { s := x.Shape(); return s[len(s)-1] }
