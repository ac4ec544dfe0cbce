// Package schedule holds the noise schedules: alphabar_t, the share of the
// signal's variance that is left at step t, and what follows from it. All in
// float64.
package schedule

import (
	"math"

	"diffuse/internal/config"
	"diffuse/internal/fault"
)

// LastTime is the largest continuous t: alphabar(1) is 0 and x0_hat divides by
// its root (lesson, notebook 22).
const LastTime = 0.999

// smallest is the least alphabar a schedule may end at: x0_hat divides by its
// root, and the quotient must fit a float32 (3e38) with room to spare.
const smallest = 1e-60

// Schedule is one noise schedule of T steps.
type Schedule struct {
	Kind       string
	Continuous bool      // the net is told t/T in [0,1) instead of the step
	Velocity   bool      // the net predicts v, else the noise
	Beta       []float64 // beta_t = 1 − alphabar_t/alphabar_{t−1}, t = 0…T−1
	Alphabar   []float64 // falling, at least 1e-60 and at most 1
}

// New computes the schedule that c describes; c was validated. A schedule whose
// alphabar falls out of float32's reach is a usage error.
func New(c config.Schedule) (*Schedule, error) {
	s := &Schedule{Kind: c.Kind, Continuous: c.Continuous, Velocity: c.Predict == config.V}
	switch c.Kind {
	case "linear":
		s.setBeta(Linspace(c.BetaMin, c.BetaMax, c.Steps))
	case "scaled_linear":
		s.setBeta(scaledLinear(c.BetaMin, c.BetaMax, c.Steps))
	case "sigmoid":
		s.setBeta(sigmoid(c.BetaMin, c.BetaMax, c.Steps))
	case "squaredcos_cap_v2":
		s.setBeta(squaredcosCapV2(c.Steps))
	case "cosine":
		s.setCosine(c.Steps)
	default:
		return nil, fault.New(fault.Usage, "", "schedule.kind: no schedule is called %q", c.Kind)
	}
	if c.Continuous && c.Kind != "cosine" {
		return nil, fault.New(fault.Usage, "diffuse config show", "schedule.continuous: only cosine is defined between its steps, not %s", c.Kind)
	}
	if last := s.Alphabar[c.Steps-1]; last < smallest {
		return nil, fault.New(fault.Usage, "", "schedule: alphabar falls to %.0e at step %d: lower schedule.betamax (%v) or schedule.steps", last, c.Steps-1, c.BetaMax)
	}
	return s, nil
}

// T is the number of steps.
func (s *Schedule) T() int { return len(s.Alphabar) }

// setBeta derives alphabar_t = Π_{i≤t} (1 − beta_i) (Ho et al. 2020, section 2).
func (s *Schedule) setBeta(beta []float64) {
	s.Beta, s.Alphabar = beta, make([]float64, len(beta))
	product := 1.0
	for t, b := range beta {
		product *= 1 - b
		s.Alphabar[t] = product
	}
}

// setCosine is the lesson's: alphabar(t) = cos²(t/T·π/2), so alphabar(0) = 1,
// beta_0 = 0 and beta_t = 1 − alphabar(t)/alphabar(t−1).
func (s *Schedule) setCosine(steps int) {
	s.Beta, s.Alphabar = make([]float64, steps), make([]float64, steps)
	previous := 1.0
	for t := range steps {
		s.Alphabar[t] = Cosine(float64(t) / float64(steps))
		s.Beta[t] = 1 - s.Alphabar[t]/previous
		previous = s.Alphabar[t]
	}
}

// Linspace is n numbers at equal distances from a to b, both included.
func Linspace(a, b float64, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = a + (b-a)*float64(i)/float64(max(n-1, 1))
	}
	if n > 1 {
		x[n-1] = b
	}
	return x
}

// scaledLinear is linear in the root of beta (Rombach et al. 2022, latent
// diffusion).
func scaledLinear(betamin, betamax float64, steps int) []float64 {
	beta := Linspace(math.Sqrt(betamin), math.Sqrt(betamax), steps)
	for t, root := range beta {
		beta[t] = root * root
	}
	return beta
}

// sigmoid is diffusers' (from GeoDiff, Xu et al. 2022): betamin + (betamax −
// betamin)·σ(x) at x from −6 to 6.
func sigmoid(betamin, betamax float64, steps int) []float64 {
	beta := Linspace(-6, 6, steps)
	for t, x := range beta {
		beta[t] = betamin + (betamax-betamin)/(1+math.Exp(-x))
	}
	return beta
}

// squaredcosCapV2 is Nichol and Dhariwal's (2021, equation 17): alphabar(u) =
// cos²((u+0.008)/1.008·π/2), beta_t = min(1 − alphabar((t+1)/T)/alphabar(t/T), 0.999).
func squaredcosCapV2(steps int) []float64 {
	alphabar := func(u float64) float64 { return Cosine((u + 0.008) / 1.008) }
	beta := make([]float64, steps)
	for t := range beta {
		u, next := float64(t)/float64(steps), float64(t+1)/float64(steps)
		beta[t] = min(1-alphabar(next)/alphabar(u), 0.999)
	}
	return beta
}
