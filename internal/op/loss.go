package op

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Loss is what SquaredError reads and writes at each run.
type Loss struct {
	Scale    float32   // what the sum of squares is multiplied by
	PerImage []float64 // each active image's Σ(y−target)², not scaled
}

// SquaredError is the scalar Scale·Σ(y−target)² over the active images; target
// is data.
func (b *Graph) SquaredError(y, target *G.Node) (*G.Node, *Loss) {
	l := &Loss{Scale: 1, PerImage: make([]float64, b.N)}
	dy := b.dev.New(y.Shape()...)
	total := b.dev.New(1)
	return b.must(spec{
		kind: "loss", wrt: []bool{true, false}, alias: true,
		forward: func(_ *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error) {
			b.dev.SquaredError(dy, in[0], in[1], b.active, l.Scale, l.PerImage)
			var sum float64
			for _, e := range l.PerImage[:b.active] {
				sum += e
			}
			total.Float32s()[0] = l.Scale * float32(sum)
			return total, nil
		},
		// The gradient is of the loss itself, so the seed of one is not needed.
		backward: func(_ G.Nodes, loss, _ *G.Node) (G.Nodes, error) {
			return G.Nodes{b.hand("dy", y.Shape(), func() *tensor.Dense { return dy }, loss), nil}, nil
		},
	}, y, target), l
}
