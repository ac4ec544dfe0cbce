package sample

import (
	"math"

	"diffuse/internal/schedule"
)

// DPMpp2M is one step of DPM-Solver++(2M) (Lu et al. 2022, Algorithm 2), in the
// form of Karras et al., with lambda = −ln sigma:
//
//	h = lambda_s − lambda,  r = (lambda − lambda_before)/h
//	D' = (1 + 1/(2r))·D − 1/(2r)·D_before
//	x̃_s = (sigma_s/sigma)·x̃ + (1 − e^−h)·D'
//
// steps are those so far, the one to take last. The first has nothing before it
// and takes D' = D; so does the last, whose h is infinite (as in k-diffusion's
// sample_dpmpp_2m), and gives x0_hat.
func DPMpp2M(steps []Step) Update {
	s := steps[len(steps)-1]
	if s.AlphabarPrev == 1 {
		return Update{X0: 1}
	}
	sigma, sigmaPrev := schedule.Sigma(s.Alphabar), schedule.Sigma(s.AlphabarPrev)
	h := math.Log(sigma / sigmaPrev)
	change := -math.Expm1(-h)
	u := Update{X: sigmaPrev / sigma, X0: change}
	if len(steps) > 1 {
		before := schedule.Sigma(steps[len(steps)-2].Alphabar)
		r := math.Log(before/sigma) / h
		u.X0 = change * (1 + 1/(2*r))
		u.Past[0].X0 = -change / (2 * r)
	}
	return u.inVP(s.Alphabar, s.AlphabarPrev)
}
