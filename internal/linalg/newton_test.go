package linalg

import (
	"math"
	"testing"
)

// The lesson's iteration is another way to the same trace.
func TestNewtonSchulzAgrees(t *testing.T) {
	onAllTeams(t, func(t *testing.T, team *team) {
		for _, d := range []int{1, 2, 33, 100} {
			a, b, m := gram(1, 3*d, d), gram(2, 2*d+1, d), make([]float64, d*d)
			team.mul(m, a, b, d)
			got, err := team.traceSqrtNewtonSchulz(m, d, 100, 1e-13)
			if err != nil {
				t.Fatal(err)
			}
			checkTrace(t, "Newton-Schulz", team, a, b, d, got, 1e-9)
			lesson, err := team.traceSqrtNewtonSchulz(m, d, 100, 1e-6)
			if err != nil {
				t.Fatal(err)
			}
			checkNear(t, "the lesson's tr sqrt", lesson, got, 1e-3*got)
		}
	})
}

func TestNewtonSchulzRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		m          []float64
		iterations int
	}{
		"NaN":               {[]float64{math.NaN(), 0, 0, 1}, 100},
		"no root":           {[]float64{-1, 0, 0, 1}, 100},
		"too few":           {[]float64{1, 0, 0, 1e-6}, 3},
		"nothing was tried": {[]float64{1, 0, 0, 1}, 0},
	} {
		if got, err := TraceSqrtNewtonSchulz(c.m, 2, c.iterations, 1e-12, 1); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got, err := TraceSqrtNewtonSchulz(make([]float64, 9), 3, 100, 1e-6, 1); got != 0 || err != nil {
		t.Errorf("zero: %v, %v", got, err)
	}
}
