// Package sample draws images: samplers are pure functions of noise levels, over
// any denoiser and any schedule.
package sample

import "math"

// Step is one move of a sampler, from one noise level to a lower one.
type Step struct {
	T            float64 // what the net is told
	Alphabar     float64 // at T
	AlphabarPrev float64 // where the step leads; 1 is a clean image
	Call         bool    // call the net; else the last eps_hat serves again
}

// Update is what a step does to an image:
//
//	x_s = X0·x0_hat + X·x_t + Eps·eps_hat + Z·z,  z ~ N(0, I)
type Update struct{ X0, X, Eps, Z float64 }

// DDPM is one step of Ho et al. 2020, equations 6 and 7:
//
//	x_s = sqrt(alphabar_s)·beta/(1−alphabar_t)·x0_hat
//	    + sqrt(alpha)·(1−alphabar_s)/(1−alphabar_t)·x_t + sigma·z
//
// with alpha = alphabar_t/alphabar_s and beta = 1−alpha. sigma² is beta where
// fixedLarge (the lesson), else the posterior's variance
// beta·(1−alphabar_s)/(1−alphabar_t) (diffusers' fixed_small). The last step
// adds no noise and gives x0_hat.
func DDPM(s Step, fixedLarge bool) Update {
	if s.AlphabarPrev == 1 {
		return Update{X0: 1}
	}
	alpha := s.Alphabar / s.AlphabarPrev
	beta, betabar, betabarPrev := 1-alpha, 1-s.Alphabar, 1-s.AlphabarPrev
	variance := beta
	if !fixedLarge {
		variance = beta * betabarPrev / betabar
	}
	return Update{
		X0: math.Sqrt(s.AlphabarPrev) * beta / betabar,
		X:  math.Sqrt(alpha) * betabarPrev / betabar,
		Z:  math.Sqrt(variance),
	}
}

// DDIM is one step of Song et al. 2021, equations 12 and 16 (which write alpha
// for alphabar):
//
//	sigma = eta·sqrt((1−alphabar_s)/(1−alphabar_t)·(1−alphabar_t/alphabar_s))
//	x_s = sqrt(alphabar_s)·x0_hat + sqrt(1−alphabar_s−sigma²)·eps_hat + sigma·z
//
// eta is in [0,1]: 0 is deterministic, 1 has DDPM's posterior variance. The last
// step adds no noise and gives x0_hat.
func DDIM(s Step, eta float64) Update {
	if s.AlphabarPrev == 1 {
		return Update{X0: 1}
	}
	betabar, betabarPrev := 1-s.Alphabar, 1-s.AlphabarPrev
	sigma := eta * math.Sqrt(betabarPrev/betabar*(1-s.Alphabar/s.AlphabarPrev))
	return Update{
		X0:  math.Sqrt(s.AlphabarPrev),
		Eps: math.Sqrt(max(betabarPrev-sigma*sigma, 0)), // rounding may pass below 0
		Z:   sigma,
	}
}

// x0Hat writes the clean image that x_t and the predicted noise imply,
//
//	x0_hat = (x_t − sqrt(1−alphabar_t)·eps_hat) / sqrt(alphabar_t)
//
// clamped to [clip[0], clip[1]] where clip has two values.
func x0Hat(dst, x, eps []float32, alphabar float64, clip []float64) {
	signal, noise := math.Sqrt(alphabar), math.Sqrt(1-alphabar)
	for i := range dst {
		dst[i] = float32((float64(x[i]) - noise*float64(eps[i])) / signal)
	}
	if len(clip) == 2 {
		lo, hi := float32(clip[0]), float32(clip[1])
		for i, v := range dst {
			dst[i] = min(max(v, lo), hi)
		}
	}
}

// apply writes x_s to dst; z is not read where u.Z is 0.
func (u Update) apply(dst, x0, x, eps, z []float32) {
	for i := range dst {
		dst[i] = float32(u.X0*float64(x0[i]) + u.X*float64(x[i]) + u.Eps*float64(eps[i]))
	}
	if u.Z != 0 {
		for i := range dst {
			dst[i] += float32(u.Z * float64(z[i]))
		}
	}
}
