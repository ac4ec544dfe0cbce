package sample

import (
	"math"
	"slices"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"
)

// For Gaussian images the path of least noise to a clean image is known in closed form:
// x̃ = x_t/sqrt(alphabar) at sigma ends at mean + (x̃ − mean)·std/sqrt(std² + sigma²).
func TestFromEndsWhereThePathDoes(t *testing.T) {
	const mean, std, n = 0.3, 0.5, 3
	s := linear(t)
	for _, name := range []string{"ddim", "heun", "dpmpp_2m", "lms"} {
		c := config.Default().Sample
		c.Sampler, c.Steps, c.Eta, c.Spacing = name, 400, 0, "leading"
		whole, err := New(c, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		start := func(x0 []float32, seeds []uint64) []int {
			for i := range x0 {
				x0[i] = float32(seeds[i/16]) - 1 // images of −1, 0 and 1
			}
			return make([]int, len(seeds))
		}
		k := len(whole.Steps) * 3 / 5
		from := whole.From(k, start)
		calls := 0
		got, err := from.Draw(t.Context(), nets(gaussian{mean, std, s.AlphabarAt, 8}, 2), Shape{4, 4, 1}, seeds(n), Options{Batch: 2, Progress: func(done, _ int) { calls = done }})
		if err != nil {
			t.Fatal(err)
		}
		sigma := schedule.Sigma(whole.Steps[k].Alphabar)
		for i, seed := range seeds(n) {
			z := make([]float32, 16)
			rng.Normal(z, seed, rng.SampleStart, 0, 0)
			for p, noise := range z {
				noisy := float64(seed) - 1 + sigma*float64(noise)
				want := mean + (noisy-mean)*std/math.Sqrt(std*std+sigma*sigma)
				if d := math.Abs(float64(got[i*16+p]) - want); d > 0.01 {
					t.Fatalf("%s from sigma %.3g: pixel %d of image %d is %v, want %v", name, sigma, p, i, got[i*16+p], want)
				}
			}
		}
		if calls != n*from.NetCalls() || from.NetCalls() != whole.NetCalls()-whole.CallsIn(k) {
			t.Errorf("%s: %d calls for %d images; says %d, and %d of %d before", name, calls, n, from.NetCalls(), whole.CallsIn(k), whole.NetCalls())
		}
	}
}

// A net that knows classes is told those of the images it begins with, not the seeds'.
func TestFromTellsTheClasses(t *testing.T) {
	s := linear(t)
	c := config.Default().Sample
	c.Sampler, c.Steps = "skip", 1000
	whole, err := New(c, s, threeClasses)
	if err != nil {
		t.Fatal(err)
	}
	net := ofClasses{gaussian{0, 1, s.AlphabarAt, 8}, []float64{0, 0.1, 0.2}, new([]int)}
	start := func(_ []float32, seeds []uint64) []int { return slices.Repeat([]int{2}, len(seeds)) }
	k := 1 // a step that the whole sampler does not call the net at
	for whole.Steps[k].Call {
		k++
	}
	from := whole.From(k, start)
	if _, err := from.Draw(t.Context(), nets(net, 1), Shape{4, 4, 1}, seeds(5), Options{Batch: 5}); err != nil {
		t.Fatal(err)
	}
	if len(*net.asked) != 5*from.NetCalls() || slices.ContainsFunc(*net.asked, func(class int) bool { return class != 2 }) {
		t.Errorf("asked %d times, of other classes than 2, for 5 images of %d calls", len(*net.asked), from.NetCalls())
	}
	if !from.Steps[0].Call || whole.Steps[k].Call {
		t.Error("the first step calls the net, and the sampler that it was made from stays as it was")
	}
}
