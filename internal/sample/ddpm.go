package sample

import "math"

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
