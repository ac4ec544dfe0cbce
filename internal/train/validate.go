package train

import "context"

// meanLoss is the mean over s of (prediction−eps)², an element. Each image's
// loss is summed apart and the images in order: any number of workers gives the
// same bits.
func meanLoss(ctx context.Context, c *crew, s Source) (float64, error) {
	loss := make([]float64, s.Len())
	err := c.team.Run(c.microBatches(s.Len()), &losses{c, ctx, s, loss})
	return sum(loss) / float64(s.Len()*c.size), err
}

// losses are the micro-batches of images whose losses are asked for, as jobs.
type losses struct {
	*crew
	ctx      context.Context
	source   Source
	perImage []float64
}

// Do takes the losses of micro-batch m.
func (l *losses) Do(worker, m int) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	h := l.hands[worker]
	lo, n := l.load(h, l.source, m)
	y := h.y[:n*l.size]
	if err := h.Predict(y, h.x[:n*l.size], h.t[:n]); err != nil {
		return err
	}
	l.kernels.SquaredError(nil, y, h.eps[:n*l.size], n, l.size, 0, l.perImage[lo:lo+n])
	return nil
}
