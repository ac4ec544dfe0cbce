package sample

import (
	"math"
	"slices"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/schedule"
)

// times are c.Steps of the times that a net of the schedule can be told, falling, as
// c.Spacing says; fewer where some fall together. The steps must be from 1 to T.
func times(s *schedule.Schedule, c config.Sample) ([]float64, error) {
	switch err := checkCount(s.T(), c.Steps); {
	case err != nil:
		return nil, err
	case c.Spacing == "karras":
		least, largest, err := sigmaRange(s, c.SigmaRange)
		return karrasTimes(s, c.Steps, least, largest), err
	case s.Continuous:
		return continuousTimes(c.Steps, c.Spacing)
	}
	ts, err := Timesteps(s.T(), c.Steps, c.Spacing)
	return wholeTimes(s, ts), err
}

// sigmaRange is that of the schedule, or what is asked for of it.
func sigmaRange(s *schedule.Schedule, asked []float64) (least, largest float64, err error) {
	least, largest = s.SigmaRange()
	if err = rising("sample.sigma_range", asked); err != nil || len(asked) == 0 {
		return least, largest, err
	}
	if asked[0] >= largest || asked[1] <= least {
		return least, largest, fault.New(fault.Usage, "", "sample.sigma_range: %v has none of the schedule's levels, %.4g to %.4g", asked, least, largest)
	}
	return max(least, asked[0]), min(largest, asked[1]), nil
}

func checkCount(T, n int) error {
	if n < 1 || n > T {
		return fault.New(fault.Usage, "", "cannot take %d sampling steps: the schedule has %d", n, T)
	}
	return nil
}

// wholeTimes are what the net is told at whole timesteps.
func wholeTimes(s *schedule.Schedule, ts []int) []float64 {
	times := make([]float64, len(ts))
	for i, t := range ts {
		times[i] = s.Time(t)
	}
	return times
}

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
	if err := checkCount(T, n); err != nil {
		return nil, err
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

// rho is Karras et al.'s choice for images.
const rho = 7

// karrasTimes are the times of n noise levels from the largest sigma down to the
// least (Karras et al. 2022, equation 5):
//
//	sigma_i = (largest^(1/rho) + i/(n−1)·(least^(1/rho) − largest^(1/rho)))^rho
//
// Most of them lie between two steps of the schedule.
func karrasTimes(s *schedule.Schedule, n int, least, largest float64) []float64 {
	from, to := math.Pow(largest, 1./rho), math.Pow(least, 1./rho)
	ts := make([]float64, n)
	for i, root := range schedule.Linspace(from, to, n) {
		ts[i] = s.InverseAlphabar(schedule.FromSigma(math.Pow(root, rho)))
	}
	return ts
}

// cosineTimes are the times of the n noise levels of the lesson's notebook 22:
// alphabar is cos²(u·π/2) at u from 1−1/n down to 0 at equal distances, and t is
// its inverse. On another schedule than the cosine the u of its own first and
// last step bound them.
func cosineTimes(s *schedule.Schedule, n int) ([]float64, error) {
	if err := checkCount(s.T(), n); err != nil {
		return nil, err
	}
	last := s.AlphabarAt(s.Time(s.T() - 1))
	from := min(1-1/float64(n), schedule.CosineInverse(last))
	to := schedule.CosineInverse(s.AlphabarAt(0))
	ts := make([]float64, n)
	for i, u := range schedule.Linspace(from, to, n) {
		ts[i] = s.InverseAlphabar(schedule.Cosine(u))
	}
	return ts, nil
}
