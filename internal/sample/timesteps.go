package sample

import (
	"math"
	"slices"

	"diffuse/internal/fault"
	"diffuse/internal/schedule"
)

// Timesteps are the n steps of 0…T−1 that a sampler visits, falling, as
// diffusers 0.30 spaces them (with steps_offset 0):
//
//	leading    i·floor(T/n)
//	trailing   T·(i+1)/n − 1, rounded
//	linspace   from 0 to T−1 at equal distances, rounded
//	quadratic  (sqrt(0.8·T)·i/(n−1))², rounded down, as in the code of Song et al.
//	           2021; the first ones fall together where n is large, and count once
//
// n must be from 1 to T.
func Timesteps(T, n int, spacing string) ([]int, error) {
	if n < 1 || n > T {
		return nil, fault.New(fault.Usage, "", "cannot take %d sampling steps: the schedule has %d", n, T)
	}
	at, err := spacer(n, spacing)
	if err != nil {
		return nil, err
	}
	ts := make([]int, n)
	for i := range ts {
		ts[n-1-i] = at(float64(T), i)
	}
	return slices.Compact(ts), nil
}

// spacer is step i = 0…n−1 of a spacing, rising, as a function of T.
func spacer(n int, spacing string) (func(T float64, i int) int, error) {
	count := float64(n)
	part := func(i int) float64 { return float64(i) / max(count-1, 1) }
	switch spacing {
	case "leading":
		return func(T float64, i int) int { return i * int(T/count) }, nil
	case "trailing":
		return func(T float64, i int) int {
			return int(math.RoundToEven(T-float64(n-1-i)*(T/count))) - 1
		}, nil
	case "linspace":
		return func(T float64, i int) int { return int(math.RoundToEven(part(i) * (T - 1))) }, nil
	case "quadratic":
		return func(T float64, i int) int {
			root := part(i) * math.Sqrt(0.8*T)
			return int(root * root)
		}, nil
	}
	return nil, fault.New(fault.Usage, "", "sample.spacing: no spacing is called %q", spacing)
}

// continuousTimes are n times in [0,1), falling, for a schedule that is defined
// at all of them. leading is the lesson's (notebook 22): from 1−1/n down to 0;
// the others are the limits of Timesteps, up to schedule.LastTime.
func continuousTimes(n int, spacing string) ([]float64, error) {
	ts := make([]float64, n)
	for i := range ts {
		k, count := float64(n-1-i), float64(n)
		switch spacing {
		case "leading":
			ts[i] = k / count
		case "trailing":
			ts[i] = min((k+1)/count, schedule.LastTime)
		case "linspace":
			ts[i] = schedule.LastTime * k / max(count-1, 1)
		case "quadratic":
			root := k / max(count-1, 1)
			ts[i] = 0.8 * root * root
		default:
			return nil, fault.New(fault.Usage, "", "sample.spacing: no spacing is called %q", spacing)
		}
	}
	return ts, nil
}

// steps joins times, falling, to steps that lead from each to the next and at
// last to a clean image. The net is called at each.
func steps(s *schedule.Schedule, times []float64) []Step {
	out := make([]Step, len(times))
	for i, t := range times {
		out[i] = Step{T: t, Alphabar: s.AlphabarAt(t), AlphabarPrev: 1, Call: true}
		if i > 0 {
			out[i-1].AlphabarPrev = out[i].Alphabar
		}
	}
	return out
}

// wholeSteps is steps at whole timesteps.
func wholeSteps(s *schedule.Schedule, ts []int) []Step {
	times := make([]float64, len(ts))
	for i, t := range ts {
		times[i] = s.Time(t)
	}
	return steps(s, times)
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
