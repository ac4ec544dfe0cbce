package train

import (
	"math"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
)

// velocity writes what a net that predicts v is to say,
//
//	v = sqrt(alphabar_t)·eps − sqrt(1−alphabar_t)·x_0
//
// to dst (Salimans and Ho 2022, appendix D). x holds clean images x_0 and eps
// their noise, back to back; alphabar has one value an image.
func velocity(k *kernel.Set, dst, x, eps []float32, alphabar []float64) {
	size := len(x) / len(alphabar)
	for i, a := range alphabar {
		at := func(s []float32) []float32 { return s[i*size : (i+1)*size] }
		k.Combine(at(dst), float32(math.Sqrt(a)), at(eps), -float32(math.Sqrt(1-a)), at(x), 0, nil)
	}
}

// objective is what a net learns to say, and how much an image's error weighs.
type objective struct {
	predict string  // PredictsEps, PredictsV or PredictsClasses
	minSNR  float64 // gamma; 0 weighs all alike
}

func objectiveOf(c *config.Config) objective {
	return objective{prediction(c.Model.Kind, c.Schedule), c.Train.MinSNR}
}

// classifies tells whether targets are labels.
func (o objective) classifies() bool { return o.predict == PredictsClasses }

// weight is that of an image at alphabar.
func (o objective) weight(alphabar float64) float64 {
	if o.minSNR == 0 {
		return 1
	}
	return minSNR(o.minSNR, alphabar, o.predict)
}

// minSNR is what an image's squared error weighs (Hang et al. 2023, min-SNR-gamma,
// section 3.4): min(SNR, gamma)/SNR for a net that predicts eps and
// min(SNR, gamma)/(SNR+1) for one that predicts v, where SNR =
// alphabar/(1−alphabar). It is finite for any alphabar from 0 to 1.
func minSNR(gamma, alphabar float64, predict string) float64 {
	capped := gamma * (1 - alphabar) // gamma/(SNR+1)
	switch {
	case predict == PredictsV:
		return min(alphabar, capped)
	case capped < alphabar:
		return capped / alphabar
	default:
		return 1
	}
}
