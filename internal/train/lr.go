package train

import (
	"fmt"
	"math"

	"diffuse/internal/config"
)

// Rate gives the learning rate and Adam's beta1 of an optimizer step, counted
// from 0.
type Rate func(step int) (lr, beta1 float64)

// PyTorch's defaults of OneCycleLR.
const (
	onecyclePctStart       = 0.3
	onecycleDivFactor      = 25
	onecycleFinalDivFactor = 1e4
	onecycleBaseBeta1      = 0.85
	onecycleMaxBeta1       = 0.95
)

// NewRate is the learning-rate schedule of c over total steps.
func NewRate(c config.Train, total int) (Rate, error) {
	if total < 1 {
		return nil, fmt.Errorf("a learning-rate schedule needs at least one step, not %d", total)
	}
	switch c.LRSchedule {
	case "onecycle":
		return OneCycle(c.LR, total), nil
	case "cosine":
		return warmedUp(c.Warmup, c.Betas[0], func(step int) float64 {
			pct := float64(step-c.Warmup) / float64(max(1, total-c.Warmup))
			return anneal(c.LR, 0, pct)
		}, c.LR), nil
	case "constant":
		return warmedUp(c.Warmup, c.Betas[0], func(int) float64 { return c.LR }, c.LR), nil
	}
	return nil, fmt.Errorf("unknown learning-rate schedule %q", c.LRSchedule)
}

// OneCycle is torch.optim.lr_scheduler.OneCycleLR with PyTorch's defaults:
// the rate rises from maxLR/25 to maxLR over the first 30 % of the steps and
// falls to maxLR/25e4, both along a cosine, while beta1 goes from 0.95 to 0.85
// and back (Smith & Topin 2017, "Super-convergence").
func OneCycle(maxLR float64, total int) Rate {
	initial := maxLR / onecycleDivFactor
	final := initial / onecycleFinalDivFactor
	top := onecyclePctStart*float64(total) - 1 // where PyTorch ends the rise
	end := float64(total - 1)
	return func(step int) (lr, beta1 float64) {
		s := float64(step)
		if s <= top {
			pct := s / top
			return anneal(initial, maxLR, pct), anneal(onecycleMaxBeta1, onecycleBaseBeta1, pct)
		}
		pct := (s - top) / (end - top)
		return anneal(maxLR, final, pct), anneal(onecycleBaseBeta1, onecycleMaxBeta1, pct)
	}
}

// anneal goes from start (pct 0) to end (pct 1) along half a cosine.
func anneal(start, end, pct float64) float64 {
	return end + (start-end)/2*(math.Cos(math.Pi*pct)+1)
}

// warmedUp rises linearly to peak over the first warmup steps, the last of
// which has the whole of it, and then follows rate; beta1 stays.
func warmedUp(warmup int, beta1 float64, rate func(step int) float64, peak float64) Rate {
	return func(step int) (float64, float64) {
		if step < warmup {
			return peak * float64(step+1) / float64(warmup), beta1
		}
		return rate(step), beta1
	}
}
