package op

import (
	G "gorgonia.org/gorgonia"
)

// Loss is what SquaredError reads and writes at each run.
type Loss struct {
	Scale    float32   // what the sum of squares is multiplied by
	PerImage []float64 // each active image's Σ(y−target)², not scaled
}

// SquaredError is the scalar Scale·Σ(y−target)² over the active images; target
// is data. The sum itself is left to the reader of PerImage.
func (b *Graph) SquaredError(y, target *G.Node) (*G.Node, *Loss) {
	l := &Loss{Scale: 1, PerImage: make([]float64, b.N)}
	dy := b.cell(y.Shape()...)
	return b.must(spec{
		kind: "loss", class: "loss", wrt: []bool{true, false},
		makes: []*cell{dy},
		work:  b.passWork(y.Shape(), 3),
		compute: func(p *part) {
			b.dev.SquaredError(p.out[1], p.in[0], p.in[1], p.n, l.Scale, l.PerImage[p.lo:])
		},
		// The gradient is of the loss itself, so the seed of one is not needed.
		backward: func(_ G.Nodes, loss, _ *G.Node) (G.Nodes, error) {
			return G.Nodes{b.hand("dy", dy.shape, dy, loss), nil}, nil
		},
	}, y, target), l
}
