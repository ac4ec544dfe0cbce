package schedule

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Cosine is the lesson's alphabar(t) = cos²(t·π/2) at continuous t in [0,1].
func Cosine(t float64) float64 {
	c := math.Cos(t * math.Pi / 2)
	return c * c
}

// CosineInverse is the t in [0,1] at which Cosine is alphabar, in [0,1].
func CosineInverse(alphabar float64) float64 {
	// atan2 of the two roots, because acos loses half of the digits near 1.
	return math.Atan2(math.Sqrt(1-alphabar), math.Sqrt(alphabar)) * 2 / math.Pi
}

// Time is the t that the net is told at whole step t: t itself, or t/T where the
// schedule is continuous.
func (s *Schedule) Time(t int) float64 {
	if s.Continuous {
		return float64(t) / float64(s.T())
	}
	return float64(t)
}

// Draw turns u from U[0,1) into a time for training: a whole step 0…T−1, or u
// itself up to LastTime where the schedule is continuous.
func (s *Schedule) Draw(u float64) float64 {
	if s.Continuous {
		return min(u, LastTime)
	}
	return math.Floor(u * float64(s.T()))
}

// DrawLognormal turns u from U[0,1) into a time for training, as Draw does, at which
// ln sigma is normal with this mean and deviation: P_mean and P_std of Karras et al.
// 2022, table 1. It is the nearest whole step where the schedule is not continuous,
// and the first or last time where the normal goes beyond.
func (s *Schedule) DrawLognormal(u, mean, deviation float64) float64 {
	normal := distuv.Normal{Mu: mean, Sigma: deviation}
	t := s.InverseAlphabar(FromSigma(math.Exp(normal.Quantile(u))))
	if s.Continuous {
		return min(t, LastTime)
	}
	return math.Round(t)
}

// AlphabarAt is alphabar at the time t that the net is told: t in [0,1] where the
// schedule is continuous, else in steps. Between two steps the cosine has its
// closed form, and LogSNR is linear in the others (log sigma is, as in
// k-diffusion's DiscreteSchedule); outside of the steps the nearest counts.
func (s *Schedule) AlphabarAt(t float64) float64 {
	last := s.T() - 1
	switch {
	case s.Continuous:
		return Cosine(t)
	case t <= 0:
		return s.Alphabar[0]
	case t >= float64(last):
		return s.Alphabar[last]
	}
	i := int(t)
	part := t - float64(i)
	switch {
	case part == 0:
		return s.Alphabar[i]
	case s.Kind == "cosine":
		return Cosine(t / float64(s.T()))
	}
	logSNR := (1-part)*LogSNR(s.Alphabar[i]) + part*LogSNR(s.Alphabar[i+1])
	return 1 / (1 + math.Exp(-logSNR))
}

// InverseAlphabar is the time, as the net is told it, at which AlphabarAt is a:
// the inverse t(alphabar). Values that the schedule does not reach give its
// nearest end.
func (s *Schedule) InverseAlphabar(a float64) float64 {
	last := s.T() - 1
	switch {
	case s.Continuous:
		return CosineInverse(min(max(a, 0), 1))
	case a >= s.Alphabar[0]:
		return 0
	case a <= s.Alphabar[last]:
		return float64(last)
	case s.Kind == "cosine":
		return CosineInverse(a) * float64(s.T())
	}
	i := sort.Search(last, func(i int) bool { return s.Alphabar[i+1] <= a })
	from, to := LogSNR(s.Alphabar[i]), LogSNR(s.Alphabar[i+1])
	if math.IsInf(from, 1) { // no noise at step i: there is nothing to interpolate from
		return float64(i + 1)
	}
	return float64(i) + (from-LogSNR(a))/(from-to)
}

// LogSNR is ln(alphabar/(1−alphabar)), the logarithm of the signal-to-noise
// ratio; +Inf at alphabar 1.
func LogSNR(alphabar float64) float64 { return math.Log(alphabar) - math.Log1p(-alphabar) }
