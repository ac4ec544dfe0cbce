package train

import (
	"context"
	"slices"
)

// meanLoss is the mean loss over s, an element of the target. Each image's loss
// is summed apart and the images in order: any number of workers gives the same
// bits. judge, unless it is nil, hears of each micro-batch's outputs and
// targets, several at once.
func meanLoss(ctx context.Context, c *crew, s Source, judge func(lo int, y, target []float32)) (float64, error) {
	loss := make([]float64, s.Len())
	err := c.team.Run(c.microBatches(s.Len()), &losses{c, ctx, s, loss, judge})
	return sum(loss) / float64(s.Len()*c.sizes.Target), err
}

// Confusion counts, for each label (row), how often each class was said.
type Confusion [][]int

// Accuracy is the share of images whose class was said rightly.
func (c Confusion) Accuracy() float64 {
	var right, all int
	for label, row := range c {
		right += row[label]
		for _, n := range row {
			all += n
		}
	}
	return float64(right) / float64(all)
}

// confusion validates a classifier: its mean loss, and what it said.
func confusion(ctx context.Context, c *crew, s Source) (float64, Confusion, error) {
	classes := c.sizes.Output
	said, labels := make([]int, s.Len()), make([]int, s.Len())
	loss, err := meanLoss(ctx, c, s, func(lo int, y, target []float32) {
		for i, label := range target {
			row := y[i*classes:][:classes]
			said[lo+i], labels[lo+i] = slices.Index(row, slices.Max(row)), int(label)
		}
	})
	counts := make(Confusion, classes)
	for i := range counts {
		counts[i] = make([]int, classes)
	}
	for i, label := range labels {
		if said[i] >= 0 { // a NaN is no class
			counts[label][said[i]]++
		}
	}
	return loss, counts, err
}

// losses are the micro-batches of images whose losses are asked for, as jobs.
type losses struct {
	*crew
	ctx      context.Context
	source   Source
	perImage []float64
	judge    func(lo int, y, target []float32)
}

// Do takes the losses of micro-batch m.
func (l *losses) Do(worker, m int) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	h := l.hands[worker]
	lo, n := l.load(h, l.source, m)
	y, target := l.outputs(h, n), l.targets(h, n)
	if err := h.Predict(y, l.inputs(h, n), h.t[:n], h.class[:n]); err != nil {
		return err
	}
	loss := l.perImage[lo : lo+n]
	l.net.Loss(loss, y, target)
	for i := range loss {
		loss[i] *= float64(h.weights[i])
	}
	if l.judge != nil {
		l.judge(lo, y, target)
	}
	return nil
}
