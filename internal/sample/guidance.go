package sample

import (
	"diffuse/internal/config"
	"diffuse/internal/schedule"
)

// Guidance is how much farther away from what is worse the net's word is taken, and
// where: Extra is w − 1 of Ho and Salimans 2022 and of Karras et al. 2024, 0 is none.
type Guidance struct {
	Extra float64
	Sigma []float64 // the least and the largest that is guided (Kynkäänniemi et al. 2024); empty is all
}

// at tells whether a step at alphabar is guided.
func (g Guidance) at(alphabar float64) bool {
	sigma := schedule.Sigma(alphabar)
	return g.Extra > 0 && (len(g.Sigma) == 0 || g.Sigma[0] <= sigma && sigma <= g.Sigma[1])
}

// guidances are that by sample.guide, or by the net told no class where there is none,
// and that by the net told no class beside a guide.
func guidances(c config.Sample) (guidance, byClass Guidance, err error) {
	if err := rising("sample.guidance_sigma", c.GuidanceSigma); err != nil {
		return guidance, byClass, err
	}
	if err := rising("sample.class_guidance_sigma", c.ClassSigma); err != nil {
		return guidance, byClass, err
	}
	guidance = Guidance{c.Guidance - 1, c.GuidanceSigma}
	if c.GuidedByClass() {
		byClass = Guidance{c.ClassGuidance, c.ClassSigma}
	}
	return guidance, byClass, nil
}

// guided moves what the net said of x away from what is worse, net − worse being
// weighed by Extra,
//
//	said = net + Σ_i extra_i·(net − worse_i)
//
// (Ho and Salimans 2022, equation 6; Karras et al. 2024, equation 3). It is the same
// for eps, v and x0_hat, which are linear in each other.
func (b *batch) guided(said, x []float32, alphabar float64) error {
	guide, class := b.Guidance.at(alphabar), b.ByClass.at(alphabar)
	if class {
		if err := b.predict(b.pair.Net, b.unclassed, x, nil); err != nil {
			return err
		}
		contrast(b.unclassed, said, b.ByClass.Extra)
	}
	if guide {
		if err := b.predictWorse(x); err != nil {
			return err
		}
		contrast(b.worse, said, b.Guidance.Extra)
		add(said, b.worse)
	}
	if class {
		add(said, b.unclassed)
	}
	return nil
}

// predictWorse asks what guides.
func (b *batch) predictWorse(x []float32) error {
	if b.pair.Guide == nil {
		return b.predict(b.pair.Net, b.worse, x, nil)
	}
	return b.predict(b.pair.Guide, b.worse, x, b.class)
}

// contrast turns worse into extra·(said − worse).
func contrast(worse, said []float32, extra float64) {
	for i, u := range worse {
		worse[i] = float32(extra) * (said[i] - u)
	}
}

func add(dst, src []float32) {
	for i, v := range src {
		dst[i] += v
	}
}
