package sample

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"

	"github.com/google/go-cmp/cmp"
)

// goldenKarras is karras.json: what k-diffusion's samplers draw with the perfect net of
// the mixture, in float64, over DDPM's linear schedule. testdata/karras.py made it.
type goldenKarras struct {
	Start  [][]float32             // x_T of seeds 0…7
	Noise  [][][]float32           // of each step
	Sigmas []float64               // 12 by Karras et al., then 0
	Images map[string][][2]float64 // by sampler, "lms order 3", "heun churn", "... clip"
}

func TestGoldenKarras(t *testing.T) {
	text, err := os.ReadFile("testdata/karras.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden goldenKarras
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	for seed, want := range golden.Start {
		numbers := func(stream rng.Stream, step uint64) []float32 {
			z := make([]float32, 2)
			rng.Normal(z, uint64(seed), stream, 0, step)
			return z
		}
		if d := cmp.Diff(want, numbers(rng.SampleStart, 0)); d != "" {
			t.Fatalf("the golden images began elsewhere (-want +got):\n%s", d)
		}
		for k, noise := range golden.Noise {
			if d := cmp.Diff(noise[seed], numbers(rng.SampleStep, uint64(k))); d != "" {
				t.Fatalf("the golden images had other noise (-want +got):\n%s", d)
			}
		}
	}
	s := linear(t)
	m := mixture{clothes, s.AlphabarAt}
	if len(golden.Images) < 16 {
		t.Fatalf("%d cases", len(golden.Images))
	}
	for name, want := range golden.Images {
		c := config.Default().Sample
		c.Sampler, c.Steps, c.Eta = strings.Fields(name)[0], len(golden.Sigmas)-1, 0.5
		if strings.Contains(name, "order 3") {
			c.Order = 3
		}
		if strings.Contains(name, "churn") {
			c.Churn = 4
		}
		if strings.Contains(name, "clip") {
			c.Clip = []float64{-0.5, 0.5}
		}
		sampler := newSampler(t, c, s)
		for i, step := range sampler.Steps {
			if got := schedule.Sigma(step.Alphabar); c.Churn == 0 && math.Abs(got-golden.Sigmas[i]) > 1e-7*got {
				t.Errorf("sigma %d is %v, want %v", i, got, golden.Sigmas[i])
			}
		}
		x := draw(t, sampler, m, seeds(len(want)))
		for i, pixels := range want {
			for k, v := range pixels {
				if d := math.Abs(float64(x[2*i+k]) - v); !(d <= 2e-5) { // ours is float32
					t.Errorf("%s: pixel %d of seed %d is %v, want %v", name, k, i, x[2*i+k], v)
				}
			}
		}
	}
}
