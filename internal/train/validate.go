package train

import "context"

// meanLoss is the mean over s of (prediction−eps)², an element. Each image's
// loss is summed apart and the images in order: any number of workers gives the
// same bits.
func meanLoss(ctx context.Context, c *crew, s Source) (float64, error) {
	loss := make([]float64, s.Len())
	micros := c.microBatches(s.Len())
	err := eachJob(min(len(c.hands), micros), micros, func(worker, m int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		h := c.hands[worker]
		lo, n := c.load(h, s, m)
		y := h.y[:n*c.size]
		if err := h.Predict(y, h.x[:n*c.size], h.t[:n]); err != nil {
			return err
		}
		c.kernels.SquaredError(nil, y, h.eps[:n*c.size], n, c.size, 0, loss[lo:lo+n])
		return nil
	})
	return sum(loss) / float64(s.Len()*c.size), err
}
