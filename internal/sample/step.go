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

	Churn   Update  // what raises x_t to Alphabar before the call; without Z nothing does
	TPrev   float64 // at AlphabarPrev, where that is not 1
	Correct bool    // call the net again where the step led, told TPrev
}

// Update is what a step does to an image:
//
//	x_s = X0·x0_hat + X·x_t + Eps·eps_hat + Z·z + Σ_j past_j,  z ~ N(0, I)
//
// where past_j is what call j+1 before the newest predicted, weighed by Past[j].
type Update struct {
	X0, X, Eps, Z float64
	Past          [MaxOrder - 1]Past
}

// Past weighs the x0_hat and the eps_hat of an earlier call.
type Past struct{ X0, Eps float64 }

// MaxOrder is how many predictions an update can join, the newest among them.
const MaxOrder = 4

// inVP turns an update in Karras' form, of x/sqrt(alphabar), into one of x_t
// itself, which leads from one alphabar to another.
func (u Update) inVP(from, to float64) Update {
	root := math.Sqrt(to)
	u.X *= root / math.Sqrt(from)
	u.X0 *= root
	u.Eps *= root
	u.Z *= root
	for j := range u.Past {
		u.Past[j].X0 *= root
		u.Past[j].Eps *= root
	}
	return u
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

// noiseOf turns the velocity that the net said of x_t into the noise,
//
//	eps_hat = sqrt(alphabar_t)·v_hat + sqrt(1−alphabar_t)·x_t
//
// in place (Salimans and Ho 2022, appendix D).
func noiseOf(v, x []float32, alphabar float64) {
	signal, noise := math.Sqrt(alphabar), math.Sqrt(1-alphabar)
	for i := range v {
		v[i] = float32(signal*float64(v[i]) + noise*float64(x[i]))
	}
}

// slope writes the noise that x_t and x0_hat imply,
//
//	eps_hat = (x_t − sqrt(alphabar_t)·x0_hat) / sqrt(1−alphabar_t)
//
// which is Karras' d = (x̃ − x0_hat)/sigma: where x0_hat was clamped, it follows.
func slope(dst, x, x0 []float32, alphabar float64) {
	signal, noise := math.Sqrt(alphabar), math.Sqrt(1-alphabar)
	for i := range dst {
		dst[i] = float32((float64(x[i]) - signal*float64(x0[i])) / noise)
	}
}

// apply writes x_s to dst, but for the past; z is not read where u.Z is 0.
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

// applyPast adds the past to dst, the newest first.
func (u Update) applyPast(dst []float32, past []prediction) {
	for j, p := range past {
		w := u.Past[j]
		if w == (Past{}) {
			continue
		}
		for i := range dst {
			dst[i] += float32(w.X0*float64(p.x0[i]) + w.Eps*float64(p.eps[i]))
		}
	}
}
