package sample

import (
	"math"
	"slices"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/schedule"
)

// spaced is c.Steps steps, spaced as c.Spacing says; auto is the sampler's own
// spacing.
func spaced(c config.Sample, s *schedule.Schedule, auto string) ([]Step, error) {
	if c.Spacing == "auto" {
		c.Spacing = auto
	}
	times, err := times(s, c)
	return steps(s, times), err
}

// cosine is c.Steps steps at the levels of the cosine notebook.
func cosine(c config.Sample, s *schedule.Schedule) ([]Step, error) {
	times, err := cosineTimes(s, c.Steps)
	return steps(s, times), err
}

// steps joins times, falling, to steps that lead from each to the next and at
// last to a clean image. The net is called at each.
func steps(s *schedule.Schedule, times []float64) []Step {
	out := make([]Step, len(times))
	for i, t := range times {
		out[i] = Step{T: t, Alphabar: s.AlphabarAt(t), AlphabarPrev: 1, Call: true}
		if i > 0 {
			out[i-1].AlphabarPrev, out[i-1].TPrev = out[i].Alphabar, t
		}
	}
	return out
}

// everyStep is all T steps, of which the net is called at the first and where
// call says.
func everyStep(s *schedule.Schedule, call func(t int) bool) []Step {
	T := s.T()
	ts := make([]int, T)
	for i := range ts {
		ts[i] = T - 1 - i
	}
	out := steps(s, wholeTimes(s, ts))
	for i, t := range ts {
		out[i].Call = i == 0 || call(t)
	}
	return out
}

// skipCalls is the lesson's skip (notebook 19): the net is called at t only if t
// is a multiple of every or below tail. With 3 and 50 it is called 367 times in
// 1,000.
func skipCalls(every, tail int) func(t int) bool {
	return func(t int) bool { return t%every == 0 || t < tail }
}

// sampleAt is the lesson's sample_at (notebook 19): the net is called at 296 of
// 1,000 steps, the more often the nearer the end.
func sampleAt(t int) bool { return (t+101)%((t+101)/100) == 0 }

// noisy leaves out the step at alphabar 1 that some spacings of the cosine end
// with: Karras' form divides by sigma, which is 0 there, and nothing is left to do.
func noisy(steps []Step) ([]Step, error) {
	steps = slices.DeleteFunc(steps, func(s Step) bool { return s.Alphabar == 1 })
	if len(steps) == 0 {
		return nil, fault.New(fault.Usage, "", "sample.steps: the only step of this spacing has no noise: take more")
	}
	return steps, nil
}

// churned lets every step begin with fresh noise (Karras et al. 2022, Algorithm 2):
// sigma grows by gamma = min(churn/N, sqrt(2) − 1) of itself, as far as the net
// was trained.
func churned(steps []Step, churn float64, s *schedule.Schedule) {
	_, largest := s.SigmaRange()
	gamma := min(churn/float64(len(steps)), math.Sqrt2-1)
	for i := range steps {
		step := &steps[i]
		raised := min((1+gamma)*schedule.Sigma(step.Alphabar), largest)
		if to := schedule.FromSigma(raised); to < step.Alphabar {
			step.Churn = Churn(step.Alphabar, to)
			step.Alphabar, step.T = to, s.InverseAlphabar(to)
		}
	}
}
