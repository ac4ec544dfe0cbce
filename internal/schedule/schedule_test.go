package schedule

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/fault"

	"pgregory.net/rapid"
)

// goldenFolders are this package's copy of the golden files and the folder that
// DIFFUSE_GOLDEN names.
func goldenFolders() []string {
	folders := []string{"testdata"}
	if dir := os.Getenv("DIFFUSE_GOLDEN"); dir != "" {
		folders = append(folders, dir)
	}
	return folders
}

// parseName reads a name of alphabar.json: "KIND", "KIND betamax=B",
// "KIND betamin=A betamax=B" or "KIND A..B".
func parseName(name string, steps int) (config.Schedule, error) {
	words := strings.Fields(name)
	c := config.Schedule{Kind: words[0], Steps: steps, BetaMin: 1e-4, BetaMax: 0.02}
	for _, w := range words[1:] {
		format, into := "%g..%g", []any{&c.BetaMin, &c.BetaMax}
		switch {
		case strings.HasPrefix(w, "betamax="):
			format, into = "betamax=%g", into[1:]
		case strings.HasPrefix(w, "betamin="):
			format, into = "betamin=%g", into[:1]
		}
		if _, err := fmt.Sscanf(w, format, into...); err != nil {
			return c, fmt.Errorf("%q: %w", name, err)
		}
	}
	return c, nil
}

func TestGoldenAlphabar(t *testing.T) {
	for _, folder := range goldenFolders() {
		text, err := os.ReadFile(filepath.Join(folder, "alphabar.json"))
		if err != nil {
			t.Fatal(err)
		}
		var golden map[string][]float64
		if err := json.Unmarshal(text, &golden); err != nil {
			t.Fatal(err)
		}
		if len(golden) == 0 {
			t.Fatalf("%s: no schedules", folder)
		}
		for name, want := range golden {
			t.Run(name, func(t *testing.T) {
				c, err := parseName(name, len(want))
				if err != nil {
					t.Fatal(err)
				}
				s, err := New(c)
				if err != nil {
					t.Fatal(err)
				}
				for i, a := range want {
					if d := math.Abs(s.Alphabar[i] - a); !(d <= 1e-12*a) {
						t.Fatalf("alphabar[%d] = %v, want %v (relative difference %.1e)", i, s.Alphabar[i], a, d/a)
					}
				}
			})
		}
	}
}

// diffusers 0.30's DDPMScheduler(beta_schedule="sigmoid", beta_start=1e-4,
// beta_end=0.02).betas, in closed form at the ends and the symmetry about the
// middle: σ(x) + σ(−x) = 1.
func TestSigmoidBetas(t *testing.T) {
	s := mustNew(t, config.Schedule{Kind: "sigmoid", Steps: 1000, BetaMin: 1e-4, BetaMax: 0.02})
	if want := 1e-4 + 0.0199/(1+math.Exp(6)); math.Abs(s.Beta[0]-want) > 1e-15 {
		t.Errorf("beta_0 = %v, want %v", s.Beta[0], want)
	}
	for i := range 1000 {
		if sum := s.Beta[i] + s.Beta[999-i]; math.Abs(sum-0.0201) > 1e-15 {
			t.Fatalf("beta_%d + beta_%d = %v, want betamin + betamax", i, 999-i, sum)
		}
	}
}

func mustNew(t *testing.T, c config.Schedule) *Schedule {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var all = []config.Schedule{
	{Kind: "linear", Steps: 1000, BetaMin: 1e-4, BetaMax: 0.02},
	{Kind: "linear", Steps: 2, BetaMin: 1e-4, BetaMax: 0.01},
	{Kind: "scaled_linear", Steps: 1000, BetaMin: 0.00085, BetaMax: 0.012},
	{Kind: "sigmoid", Steps: 500, BetaMin: 1e-4, BetaMax: 0.02},
	{Kind: "squaredcos_cap_v2", Steps: 1000, BetaMin: 1e-4, BetaMax: 0.02},
	{Kind: "cosine", Steps: 1000, BetaMin: 1e-4, BetaMax: 0.02},
	{Kind: "cosine", Steps: 1000, BetaMin: 1e-4, BetaMax: 0.02, Continuous: true},
}

// alphabar falls strictly within (0,1], and beta and alphabar tell the same story.
func TestInvariants(t *testing.T) {
	for _, c := range all {
		s := mustNew(t, c)
		if s.T() != c.Steps {
			t.Fatalf("%v: T = %d", c, s.T())
		}
		previous := 1.0
		for i, a := range s.Alphabar {
			if a <= 0 || a > previous || (i > 0 && a == previous) {
				t.Fatalf("%v: alphabar[%d] = %v after %v", c, i, a, previous)
			}
			if d := math.Abs(previous*(1-s.Beta[i]) - a); d > 1e-15 {
				t.Fatalf("%v: step %d: beta and alphabar differ by %v", c, i, d)
			}
			previous = a
		}
	}
}

func TestInverseAlphabar(t *testing.T) {
	for _, c := range all {
		s := mustNew(t, c)
		last := s.Time(s.T() - 1)
		rapid.Check(t, func(rt *rapid.T) {
			x := rapid.Float64Range(0, last).Draw(rt, "t")
			// The slope of alphabar vanishes at both ends of a schedule, so the
			// round trip is held to a millionth of the whole.
			if got := s.InverseAlphabar(s.AlphabarAt(x)); math.Abs(got-x) > 1e-6*last {
				rt.Fatalf("%v: t(alphabar(%v)) = %v", c, x, got)
			}
		})
		for i := range s.T() {
			if got := s.AlphabarAt(s.Time(i)); math.Abs(got-s.Alphabar[i]) > 1e-15 {
				t.Fatalf("%v: alphabar(%v) = %v, want %v", c, s.Time(i), got, s.Alphabar[i])
			}
		}
	}
}

func TestDraw(t *testing.T) {
	whole, continuous := mustNew(t, all[0]), mustNew(t, all[6])
	for _, k := range []struct{ u, whole, continuous float64 }{
		{0, 0, 0}, {0.5, 500, 0.5}, {0.0009999, 0, 0.0009999}, {0.9999999999, 999, 0.999},
	} {
		if got := whole.Draw(k.u); got != k.whole {
			t.Errorf("whole steps at %v: %v", k.u, got)
		}
		if got := continuous.Draw(k.u); got != k.continuous {
			t.Errorf("continuous at %v: %v", k.u, got)
		}
	}
}

// The share of draws below a sigma is the normal's, of any schedule's steps that reach
// it, as the error function says.
func TestDrawLognormal(t *testing.T) {
	const mean, deviation, draws = -1.2, 1.6, 100_000
	for _, c := range all {
		s := mustNew(t, c)
		least, largest := s.SigmaRange()
		for _, limit := range []float64{0.05, 0.3, 1, 3} {
			if limit < 4*least || limit > largest/4 {
				continue
			}
			below := 0
			for i := range draws {
				if Sigma(s.AlphabarAt(s.DrawLognormal((float64(i)+0.5)/draws, mean, deviation))) < limit {
					below++
				}
			}
			want := 0.5 * math.Erfc(-(math.Log(limit)-mean)/deviation/math.Sqrt2)
			if got := float64(below) / draws; math.Abs(got-want) > 0.02 { // a step of the least noise is some 0.1 of ln sigma
				t.Errorf("%v: %v of draws below sigma %v, want %v", c, got, limit, want)
			}
		}
		if first, last := s.DrawLognormal(0, mean, deviation), s.DrawLognormal(1-1e-16, mean, deviation); first != 0 || last > s.Time(s.T()-1) {
			t.Errorf("%v: ends at %v and %v", c, first, last)
		}
	}
}

func TestLogSNR(t *testing.T) {
	for a, want := range map[float64]float64{0.5: 0, 0.9: math.Log(9), 1: math.Inf(1)} {
		if got := LogSNR(a); got != want && math.Abs(got-want) > 1e-12 {
			t.Errorf("LogSNR(%v) = %v, want %v", a, got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]config.Schedule{
		"unknown kind":       {Kind: "quadratic", Steps: 10, BetaMin: 0.1, BetaMax: 0.2},
		"continuous linear":  {Kind: "linear", Steps: 10, BetaMin: 0.1, BetaMax: 0.2, Continuous: true},
		"alphabar too small": {Kind: "linear", Steps: 100_000, BetaMin: 0.1, BetaMax: 0.2},
	} {
		if _, err := New(c); fault.Code(err) != int(fault.Usage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
