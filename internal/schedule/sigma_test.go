package schedule

import (
	"math"
	"testing"

	"diffuse/internal/config"
)

// sigma² is the ratio of noise to signal, and so 1/SNR; the cosine's is tan(t·π/2).
func TestSigma(t *testing.T) {
	for _, a := range []float64{1e-6, 0.1, 0.5, 0.9999} {
		sigma := Sigma(a)
		if d := 2*math.Log(sigma) + LogSNR(a); math.Abs(d) > 1e-9 {
			t.Errorf("alphabar %v: sigma %v, off 1/SNR by %.1e of itself", a, sigma, d)
		}
		if got := FromSigma(sigma); math.Abs(got-a) > 1e-12*a {
			t.Errorf("alphabar %v has sigma %v, which gives %v", a, sigma, got)
		}
	}
	for _, u := range []float64{0.01, 0.3, 0.99} {
		if got, want := Sigma(Cosine(u)), math.Tan(u*math.Pi/2); math.Abs(got-want) > 1e-9*want {
			t.Errorf("the cosine's sigma at %v is %v, want %v", u, got, want)
		}
	}
	if Sigma(1) != 0 || FromSigma(0) != 1 {
		t.Error("an image without noise has sigma 0")
	}
}

func TestSigmaRange(t *testing.T) {
	tan := func(u float64) float64 { return math.Tan(u * math.Pi / 2) }
	for _, k := range []struct {
		c              config.Schedule
		least, largest float64
	}{
		{all[0], math.Sqrt(1e-4 / (1 - 1e-4)), 157.4072808104075}, // Python's sqrt(expm1(-fsum(log1p(-beta))))
		{config.Schedule{Kind: "cosine", Steps: 200}, tan(1. / 200), tan(199. / 200)},
		{config.Schedule{Kind: "cosine", Steps: 200, Continuous: true}, tan(0.001), tan(0.999)},
		{config.Schedule{Kind: "linear", Steps: 2, BetaMin: 1e-20, BetaMax: 0.5}, 1, 1}, // 1−1e-20 is 1
	} {
		least, largest := mustNew(t, k.c).SigmaRange()
		if math.Abs(least-k.least) > 1e-9 || math.Abs(largest-k.largest) > 1e-9*k.largest {
			t.Errorf("%v: sigma from %v to %v, want %v to %v", k.c, least, largest, k.least, k.largest)
		}
	}
}

// Between two steps log sigma is linear; at the steps it is theirs.
func TestTimesBetweenSteps(t *testing.T) {
	for _, c := range all {
		s := mustNew(t, c)
		if s.Kind == "cosine" {
			continue // has its closed form, which TestSigma holds
		}
		for i := range s.T() - 1 {
			from, to := math.Log(Sigma(s.Alphabar[i])), math.Log(Sigma(s.Alphabar[i+1]))
			for _, part := range []float64{0, 0.25, 0.5, 1} {
				at := float64(i) + part
				a := FromSigma(math.Exp(from + part*(to-from)))
				if got := s.AlphabarAt(at); math.Abs(got-a) > 1e-12*a {
					t.Fatalf("%v: alphabar(%v) = %v, want %v", c, at, got, a)
				}
				if got := s.InverseAlphabar(a); math.Abs(got-at) > 1e-7 {
					t.Fatalf("%v: t(%v) = %v, want %v", c, a, got, at)
				}
			}
		}
	}
	// A first step without noise has no logarithm: what is noisy begins at the next.
	s := mustNew(t, config.Schedule{Kind: "linear", Steps: 2, BetaMin: 1e-20, BetaMax: 0.5})
	if got := s.InverseAlphabar(0.75); got != 1 {
		t.Errorf("t(0.75) = %v, want 1", got)
	}
}
