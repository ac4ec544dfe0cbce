package train

import "diffuse/internal/config"

// emaDecay is the decay of the moving average ema ← d·ema + (1−d)·weights at
// an update, counted from 0. With warm-up it grows as (1+update)/(10+update)
// up to the config's, so that the average forgets the initial weights soon
// (the schedule of TensorFlow's ExponentialMovingAverage, num_updates).
func emaDecay(c config.Train, update int) float64 {
	if !c.EMAWarmup {
		return c.EMA
	}
	return min(c.EMA, float64(1+update)/float64(10+update))
}
