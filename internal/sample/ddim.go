package sample

import "math"

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

// DDIMCosine is one step of the lesson's notebook 22, ddim_step: DDIM, but
// without noise where that would be nearly all there is at the next level:
//
//	sigma = 0 where 1−alphabar_s ≤ sigma² + 0.01
func DDIMCosine(s Step, eta float64) Update {
	u := DDIM(s, eta)
	if 1-s.AlphabarPrev <= u.Z*u.Z+0.01 {
		return DDIM(s, 0)
	}
	return u
}
