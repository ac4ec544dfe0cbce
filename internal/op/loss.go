package op

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Loss is what a loss reads and writes at each run.
type Loss struct {
	Scale    float32   // what the sum over the images is multiplied by
	PerImage []float64 // each active image's loss, not scaled
}

// SquaredError is the scalar Scale·Σ(y−target)² over the active images; target
// is data. The sum itself is left to the reader of PerImage.
func (b *Graph) SquaredError(y, target *G.Node) (*G.Node, *Loss) {
	return b.loss(y, target, b.dev.SquaredError)
}

// CrossEntropy is the scalar Scale·Σ−log softmax(y)[label] over the active
// images; y is one logit a class, labels one whole number an image, which is
// data. The sum itself is left to the reader of PerImage.
func (b *Graph) CrossEntropy(y, labels *G.Node) (*G.Node, *Loss) {
	return b.loss(y, labels, b.dev.CrossEntropy)
}

// loss is an op that computes each image's loss and the gradient dy in one pass.
func (b *Graph) loss(y, target *G.Node, compute func(dy, y, target *tensor.Dense, n int, scale float32, loss []float64)) (*G.Node, *Loss) {
	l := &Loss{Scale: 1, PerImage: make([]float64, b.N)}
	dy := b.cell(y.Shape()...)
	return b.must(spec{
		kind: "loss", class: "loss", wrt: []bool{true, false},
		makes: []*cell{dy},
		work:  b.passWork(y.Shape(), 3),
		compute: func(p *part) {
			compute(p.out[1], p.in[0], p.in[1], p.n, l.Scale, l.PerImage[p.lo:])
		},
		// The gradient is of the loss itself, so the seed of one is not needed.
		backward: func(_ G.Nodes, loss, _ *G.Node) (G.Nodes, error) {
			return G.Nodes{b.hand("dy", dy.shape, dy, loss), nil}, nil
		},
	}, y, target), l
}
