package train

import (
	"math"
	"testing"
)

// The limits of Hang et al. 2023: clean images weigh nothing under v, all but
// gamma/SNR under eps; noise without a signal weighs as without the weighting.
func TestMinSNRAtTheEnds(t *testing.T) {
	for _, c := range []struct {
		alphabar float64
		predict  string
		want     float64
	}{
		{0, PredictsEps, 1},
		{0, PredictsV, 0},
		{1, PredictsEps, 0},
		{1, PredictsV, 0},
		{5.0 / 6, PredictsEps, 1}, // SNR = gamma
		{5.0 / 6, PredictsV, 5.0 / 6},
	} {
		near(t, c.predict, minSNR(5, c.alphabar, c.predict), c.want, 1e-15)
	}
}

// Validation and training mean the same by a loss.
func TestValidationWeighs(t *testing.T) {
	const size, n = 8, 5
	net, b := newToy(size), randomBatch(n, size)
	b.alphabar[0], b.alphabar[1] = 0.9, 0.5
	for _, o := range []objective{noise, {predict: PredictsV}, {PredictsV, 5}} {
		s := toySetup(t, toyConfig(), "")
		c, err := newCrew(net, s.Kernels, newTeam(t, 2), 2, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := meanLoss(t.Context(), c, b, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := computedBy(t, o, net, b, 2, 2, 1)
		if math.Abs(got-want.Loss) > 1e-6*want.Loss {
			t.Errorf("%+v: validation says %v, training %v", o, got, want.Loss)
		}
	}
}
