package sample

import (
	"math"

	"diffuse/internal/schedule"
)

// The samplers below are written in the form of Karras et al. 2022: of
// x̃ = x/sqrt(alphabar), whose noise has the deviation sigma, with D = x0_hat and
// the slope d = (x̃ − D)/sigma, which is eps_hat. inVP makes them steps of x_t. The
// last step, to sigma 0, is x̃ − sigma·d = x0_hat in all of them.

// Euler is one step of Karras et al. 2022, Algorithm 1 without lines 6 to 8:
//
//	x̃_s = x̃ + (sigma_s − sigma)·d
//
// It is DDIM at eta 0.
func Euler(s Step) Update {
	if s.AlphabarPrev == 1 {
		return Update{X0: 1}
	}
	h := schedule.Sigma(s.AlphabarPrev) - schedule.Sigma(s.Alphabar)
	return Update{X: 1, Eps: h}.inVP(s.Alphabar, s.AlphabarPrev)
}

// Heun corrects a step of Euler's by the slope d' where it led (Karras et al.
// 2022, Algorithm 1, lines 7 and 8):
//
//	x̃_s = x̃ + (sigma_s − sigma)·(d + d')/2
//
// d' is the newest prediction, d the one before.
func Heun(s Step) Update {
	h := schedule.Sigma(s.AlphabarPrev) - schedule.Sigma(s.Alphabar)
	u := Update{X: 1, Eps: h / 2}
	u.Past[0].Eps = h / 2
	return u.inVP(s.Alphabar, s.AlphabarPrev)
}

// Churn raises an image's noise from one alphabar to a lower one before a step
// (Karras et al. 2022, Algorithm 2, lines 4 to 6, at S_noise 1):
//
//	x̃ + sqrt(sigma_to² − sigma_from²)·z
func Churn(from, to float64) Update {
	sigma, raised := schedule.Sigma(from), schedule.Sigma(to)
	return Update{X: 1, Z: math.Sqrt(raised*raised - sigma*sigma)}.inVP(from, to)
}

// EulerAncestral is one step of k-diffusion's sample_euler_ancestral (the lesson's
// notebook 23): Euler's down to sigma_down, then noise up to sigma_s:
//
//	sigma_up = min(sigma_s, eta·sqrt(sigma_s²·(sigma² − sigma_s²)/sigma²))
//	sigma_down = sqrt(sigma_s² − sigma_up²)
//	x̃_s = x̃ + (sigma_down − sigma)·d + sigma_up·z
//
// eta is in [0,1]. It is DDIM at the same eta.
func EulerAncestral(s Step, eta float64) Update {
	if s.AlphabarPrev == 1 {
		return Update{X0: 1}
	}
	from, to := schedule.Sigma(s.Alphabar), schedule.Sigma(s.AlphabarPrev)
	up := min(to, eta*to*math.Sqrt(from*from-to*to)/from)
	down := math.Sqrt(to*to - up*up)
	return Update{X: 1, Eps: down - from, Z: up}.inVP(s.Alphabar, s.AlphabarPrev)
}

// LMS is one step of the linear multistep method (Adams-Bashforth at unequal
// distances, k-diffusion's sample_lms): the polynomial in sigma through the
// newest slopes is integrated,
//
//	x̃_s = x̃ + Σ_j c_j·d_j,  c_j = ∫ Π_{i≠j} (τ − sigma_i)/(sigma_j − sigma_i) dτ
//
// from sigma to sigma_s. steps are those so far, the one to take last; order is
// from 1 to MaxOrder, less as long as there are fewer slopes. k-diffusion
// extrapolates the last step as well, over a distance many times that of the
// slopes behind it, which multiplies their errors.
func LMS(steps []Step, order int) Update {
	s := steps[len(steps)-1]
	if s.AlphabarPrev == 1 {
		return Update{X0: 1}
	}
	sigmas := make([]float64, min(order, len(steps)))
	for j := range sigmas {
		sigmas[j] = schedule.Sigma(steps[len(steps)-1-j].Alphabar)
	}
	c := multistep(sigmas, schedule.Sigma(s.AlphabarPrev))
	u := Update{X: 1, Eps: c[0]}
	for j, cj := range c[1:] {
		u.Past[j].Eps = cj
	}
	return u.inVP(s.Alphabar, s.AlphabarPrev)
}

// multistep integrates, from nodes[0] to end, each polynomial that is 1 at one of
// the nodes and 0 at the others. There are at most four, so that the degree is
// three at most and Gauss' rule of two points exact.
func multistep(nodes []float64, end float64) []float64 {
	middle, half := (nodes[0]+end)/2, (end-nodes[0])/2
	c := make([]float64, len(nodes))
	for j, at := range nodes {
		for _, tau := range []float64{middle - half/math.Sqrt(3), middle + half/math.Sqrt(3)} {
			product := half
			for i, other := range nodes {
				if i != j {
					product *= (tau - other) / (at - other)
				}
			}
			c[j] += product
		}
	}
	return c
}
