package op

import (
	"slices"

	G "gorgonia.org/gorgonia"
)

// Loss is what a loss reads and writes at each run.
type Loss struct {
	Scale    float32   // what the sum over the images is multiplied by
	Weights  []float32 // what each image's squared error is multiplied by; 1 unless set
	PerImage []float64 // each active image's loss, weighed, not scaled
}

// SquaredError is the scalar Scale·Σ weight·(y−target)² over the active images;
// target is data. The sum itself is left to the reader of PerImage.
func (b *Graph) SquaredError(y, target *G.Node) (*G.Node, *Loss) {
	return b.loss(y, target, func(l *Loss, p *part) {
		b.dev.SquaredError(p.out[1], p.in[0], p.in[1], p.n, l.Scale, l.Weights[p.lo:], l.PerImage[p.lo:])
	})
}

// CrossEntropy is the scalar Scale·Σ−log softmax(y)[label] over the active
// images; y is one logit a class, labels one whole number an image, which is
// data. The sum itself is left to the reader of PerImage.
func (b *Graph) CrossEntropy(y, labels *G.Node) (*G.Node, *Loss) {
	return b.loss(y, labels, func(l *Loss, p *part) {
		b.dev.CrossEntropy(p.out[1], p.in[0], p.in[1], p.n, l.Scale, l.PerImage[p.lo:])
	})
}

// loss is an op that computes each image's loss and the gradient dy in one pass.
func (b *Graph) loss(y, target *G.Node, compute func(*Loss, *part)) (*G.Node, *Loss) {
	l := &Loss{Scale: 1, Weights: slices.Repeat([]float32{1}, b.N), PerImage: make([]float64, b.N)}
	dy := b.cell(y.Shape()...)
	return b.must(spec{
		kind: "loss", class: "loss", wrt: []bool{true, false},
		makes:   []*cell{dy},
		work:    b.passWork(y.Shape(), 3),
		compute: func(p *part) { compute(l, p) },
		// The gradient is of the loss itself, so the seed of one is not needed.
		backward: func(_ G.Nodes, loss, _ *G.Node) (G.Nodes, error) {
			return G.Nodes{b.hand("dy", dy.shape, dy, loss), nil}, nil
		},
	}, y, target), l
}
