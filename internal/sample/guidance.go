package sample

import (
	"diffuse/internal/config"
	"diffuse/internal/schedule"
)

// Guidance is how much farther away from what is worse the net's word is taken, and
// where: Extra is w − 1 of Ho and Salimans 2022 and of Karras et al. 2024.
type Guidance struct {
	Extra   float64
	Sigma   []float64 // the least and the largest that is guided (Kynkäänniemi et al. 2024); empty is all
	ByClass bool      // away from the net told no class, though there is a guide
}

// at tells whether a step at alphabar is guided.
func (g Guidance) at(alphabar float64) bool {
	sigma := schedule.Sigma(alphabar)
	return len(g.Sigma) == 0 || g.Sigma[0] <= sigma && sigma <= g.Sigma[1]
}

// guidances are that by sample.guide, or by the net told no class where there is none,
// and that by the net told no class beside a guide.
func guidances(c config.Sample) (all []Guidance, err error) {
	if err := rising("sample.guidance_sigma", c.GuidanceSigma); err != nil {
		return nil, err
	}
	if err := rising("sample.class_guidance_sigma", c.ClassSigma); err != nil {
		return nil, err
	}
	if c.Guidance > 1 {
		all = append(all, Guidance{Extra: c.Guidance - 1, Sigma: c.GuidanceSigma})
	}
	if c.GuidedByClass() {
		all = append(all, Guidance{Extra: c.ClassGuidance, Sigma: c.ClassSigma, ByClass: true})
	}
	return all, nil
}

// guide moves what the net said of x away from what is worse, net − worse being
// weighed by Extra,
//
//	said = net + Σ_i extra_i·(net − worse_i)
//
// (Ho and Salimans 2022, equation 6; Karras et al. 2024, equation 3). It is the same
// for eps, v and x0_hat, which are linear in each other.
func (b *batch) guide(said, x []float32, alphabar float64) error {
	copy(b.unguided, said)
	for _, g := range b.Guidances {
		if !g.at(alphabar) {
			continue
		}
		if err := b.predictWorse(x, g.ByClass); err != nil {
			return err
		}
		for i, worse := range b.worse {
			said[i] += float32(g.Extra) * (b.unguided[i] - worse)
		}
	}
	return nil
}

// predictWorse asks what guides: the guide, which is told the class, or the net told
// none.
func (b *batch) predictWorse(x []float32, byClass bool) error {
	if byClass || b.pair.Guide == nil {
		return b.predict(b.pair.Net, b.worse, x, nil)
	}
	return b.predict(b.pair.Guide, b.worse, x, b.class)
}
