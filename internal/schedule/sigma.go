package schedule

import "math"

// Sigma is the noise level of Karras et al. 2022: the deviation of the noise once
// x_t is divided by sqrt(alphabar_t), so that its signal is x_0 itself. 0 at
// alphabar 1.
func Sigma(alphabar float64) float64 { return math.Sqrt((1 - alphabar) / alphabar) }

// FromSigma is the alphabar at which Sigma is sigma.
func FromSigma(sigma float64) float64 { return 1 / (1 + sigma*sigma) }

// SigmaRange is the least sigma above 0 and the largest that a net was trained
// at: those of the first noisy step and the last one, or of the times 1−LastTime
// and LastTime where the schedule is continuous.
func (s *Schedule) SigmaRange() (least, largest float64) {
	if s.Continuous {
		return Sigma(Cosine(1 - LastTime)), Sigma(Cosine(LastTime))
	}
	first := 0
	for s.Alphabar[first] == 1 { // the cosine's step 0 has no noise
		first++
	}
	return Sigma(s.Alphabar[first]), Sigma(s.Alphabar[s.T()-1])
}
