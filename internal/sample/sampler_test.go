package sample

import (
	"context"
	"math"
	"slices"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/schedule"

	"github.com/google/go-cmp/cmp"
)

func linear(t *testing.T) *schedule.Schedule {
	t.Helper()
	return newSchedule(t, config.Schedule{Kind: "linear", Steps: 1000, BetaMin: 1e-4, BetaMax: 0.02})
}

func newSchedule(t *testing.T, c config.Schedule) *schedule.Schedule {
	t.Helper()
	s, err := schedule.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newSampler(t *testing.T, c config.Sample, s *schedule.Schedule) *Sampler {
	t.Helper()
	out, err := New(c, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The lesson's counts of net calls (notebook 19), and which those are; the others'
// are one a step, Heun's two but for the last.
func TestNetCalls(t *testing.T) {
	s := linear(t)
	for _, k := range []struct {
		sampler string
		want    int
	}{
		{"ddpm", 1000}, {"ddim", 100}, {"skip", 367}, {"sample_at", 296}, {"ddim_cosine", 100}, {"euler", 100},
		{"euler_ancestral", 100}, {"heun", 199}, {"lms", 100}, {"dpmpp_2m", 100},
	} {
		c := config.Default().Sample
		c.Sampler = k.sampler
		if got := newSampler(t, c, s).NetCalls(); got != k.want {
			t.Errorf("%s calls the net %d times, want %d", k.sampler, got, k.want)
		}
	}
	c := config.Default().Sample
	c.Sampler = "skip"
	for _, step := range newSampler(t, c, s).Steps {
		at := int(step.T)
		if want := at%3 == 0 || at < 50; step.Call != want {
			t.Errorf("skip at %d: %v", at, step.Call)
		}
	}
}

// Where the first step is not one of those that call the net, it does so anyway:
// there is no eps_hat to use again.
func TestFirstStepCalls(t *testing.T) {
	s := newSchedule(t, config.Schedule{Kind: "linear", Steps: 1001, BetaMin: 1e-4, BetaMax: 0.02})
	c := config.Default().Sample
	for _, c.Sampler = range []string{"skip", "sample_at"} {
		steps := newSampler(t, c, s).Steps
		if !steps[0].Call || steps[1].T != 999 || !steps[1].Call {
			t.Errorf("%s begins with %+v", c.Sampler, steps[:2])
		}
	}
}

// Each list but the quadratic ones is set_timesteps(n) of diffusers 0.30's
// DDIMScheduler(num_train_timesteps=T, timestep_spacing=spacing, steps_offset=0);
// those are np.linspace(0, sqrt(0.8·T), n)**2 in integers, reversed.
func TestTimesteps(t *testing.T) {
	for _, k := range []struct {
		T, n    int
		spacing string
		want    []int
	}{
		{1000, 4, "leading", []int{750, 500, 250, 0}},
		{1000, 3, "leading", []int{666, 333, 0}},
		{1000, 4, "trailing", []int{999, 749, 499, 249}},
		{1000, 3, "trailing", []int{999, 666, 332}},
		{1000, 4, "linspace", []int{999, 666, 333, 0}},
		{1000, 5, "linspace", []int{999, 749, 500, 250, 0}}, // 249.75, 499.5 (to even), 749.25
		{1000, 5, "quadratic", []int{800, 450, 200, 50, 0}},
		{10, 10, "leading", []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{10, 10, "trailing", []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{10, 10, "linspace", []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}},
		{10, 10, "quadratic", []int{8, 6, 4, 3, 2, 1, 0}}, // 0.1, 0.4, 0.9, 1.6 count once
		{10, 1, "leading", []int{0}},
		{10, 1, "trailing", []int{9}},
	} {
		got, err := Timesteps(k.T, k.n, k.spacing)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(k.want, got); d != "" {
			t.Errorf("%d of %d, %s (-want +got):\n%s", k.n, k.T, k.spacing, d)
		}
	}
}

// The lesson's continuous times (notebook 22): linspace(1−1/n, 0, n), each step
// 1/n wide; the others start at LastTime at most.
func TestContinuousTimes(t *testing.T) {
	s := newSchedule(t, config.Schedule{Kind: "cosine", Steps: 1000, Continuous: true})
	c := config.Default().Sample
	c.Sampler, c.Steps = "ddim", 4
	for spacing, want := range map[string][]float64{
		"leading":   {0.75, 0.5, 0.25, 0},
		"trailing":  {0.999, 0.75, 0.5, 0.25},
		"linspace":  {0.999, 0.666, 0.333, 0},
		"quadratic": {0.8, 0.8 * 4 / 9, 0.8 / 9, 0},
	} {
		c.Spacing = spacing
		steps := newSampler(t, c, s).Steps
		for i, step := range steps {
			prev := 1.0
			if i < 3 {
				prev = schedule.Cosine(want[i+1])
			}
			if math.Abs(step.T-want[i]) > 1e-15 || math.Abs(step.AlphabarPrev-prev) > 1e-15 ||
				math.Abs(step.Alphabar-schedule.Cosine(want[i])) > 1e-15 {
				t.Errorf("%s: step %d is %+v, want t = %v", spacing, i, step, want[i])
			}
		}
	}
	// A sampler of whole steps tells a continuous net t/T.
	c.Sampler = "ddpm"
	if got := newSampler(t, c, s).Steps[0].T; got != 0.999 {
		t.Errorf("DDPM's first t is %v, want 0.999", got)
	}
}

// DDIM at eta 1 over every step is DDPM with the posterior's variance (Song et
// al. 2021, section 4.1), once eps_hat is written in terms of x_t and x0_hat.
func TestDDIMWithEta1IsDDPM(t *testing.T) {
	s := linear(t)
	for i := 1; i < s.T(); i++ {
		step := Step{Alphabar: s.Alphabar[i], AlphabarPrev: s.Alphabar[i-1]}
		p, q := DDPM(step, false), DDIM(step, 1)
		root := math.Sqrt(1 - step.Alphabar)
		x, x0 := q.Eps/root, q.X0-q.Eps/root*math.Sqrt(step.Alphabar)
		if math.Abs(p.X-x) > 1e-8 || math.Abs(p.X0-x0) > 1e-8 || math.Abs(p.Z-q.Z) > 1e-8 {
			t.Fatalf("step %d: DDPM %+v, DDIM's x %v, x0 %v, z %v", i, p, x, x0, q.Z)
		}
	}
}

// The same over the whole way, image by image: from the same noise, both visit the
// same x_t at each of the 1,000 steps, to float32's rounding of values up to 3.
func TestDDIMWithEta1DrawsWhatDDPMDraws(t *testing.T) {
	s := linear(t)
	m := mixture{clothes, s.AlphabarAt}
	way := func(change func(*config.Sample)) [][]float32 {
		c := config.Default().Sample
		change(&c)
		var xs [][]float32
		_, err := newSampler(t, c, s).Draw(context.Background(), nets(m, 1), twoPixels, seeds(64), Options{Batch: 64, Watch: func(v State) {
			xs = append(xs, slices.Clone(v.Next))
		}})
		if err != nil {
			t.Fatal(err)
		}
		return xs
	}
	ddpm := way(func(c *config.Sample) { c.Sampler, c.Variance = "ddpm", "fixed_small" })
	ddim := way(func(c *config.Sample) { c.Sampler, c.Steps, c.Eta = "ddim", 1000, 1 })
	if len(ddpm) != 1000 || len(ddim) != 1000 {
		t.Fatalf("%d and %d steps", len(ddpm), len(ddim))
	}
	for k := range ddpm {
		for i, x := range ddpm[k] {
			if d := math.Abs(float64(x - ddim[k][i])); !(d <= 1e-5) {
				t.Fatalf("step %d, value %d: DDPM has %v, DDIM %v", k, i, x, ddim[k][i])
			}
		}
	}
	if slices.Equal(ddpm[999][:2], ddpm[999][2:4]) {
		t.Error("two seeds make the same image")
	}
}

// What a step makes of alphabar's mixture of an image and noise has the mean and
// the variance of the next level, given the true eps: sqrt(alphabar_s)·x_0 and
// 1−alphabar_s. (fixed_large adds more on purpose.)
func TestStepsKeepTheMarginals(t *testing.T) {
	s := linear(t)
	for _, levels := range [][2]int{{999, 998}, {999, 500}, {500, 499}, {10, 0}, {1, 0}} {
		step := Step{Alphabar: s.Alphabar[levels[0]], AlphabarPrev: s.Alphabar[levels[1]]}
		for name, u := range map[string]Update{
			"ddpm": DDPM(step, false), "ddim 0": DDIM(step, 0), "ddim 0.5": DDIM(step, 0.5), "ddim 1": DDIM(step, 1),
		} {
			mean := u.X0 + u.X*math.Sqrt(step.Alphabar)
			eps := u.Eps + u.X*math.Sqrt(1-step.Alphabar)
			variance := eps*eps + u.Z*u.Z
			if math.Abs(mean-math.Sqrt(step.AlphabarPrev)) > 1e-10 || math.Abs(variance-(1-step.AlphabarPrev)) > 1e-10 {
				t.Errorf("%s from %d to %d: mean %v, variance %v, want %v, %v", name, levels[0], levels[1],
					mean, variance, math.Sqrt(step.AlphabarPrev), 1-step.AlphabarPrev)
			}
		}
	}
}

func TestVariances(t *testing.T) {
	s := linear(t)
	step := Step{Alphabar: s.Alphabar[500], AlphabarPrev: s.Alphabar[499]}
	if got := DDPM(step, true).Z; math.Abs(got*got-s.Beta[500]) > 1e-12 {
		t.Errorf("fixed_large: variance %v, want beta %v", got*got, s.Beta[500])
	}
	last := Step{Alphabar: s.Alphabar[0], AlphabarPrev: 1}
	for name, u := range map[string]Update{"ddpm": DDPM(last, true), "ddim": DDIM(last, 1)} {
		if u != (Update{X0: 1}) {
			t.Errorf("%s's last step is %+v, not x0_hat", name, u)
		}
	}
}

// Every sampler and spacing that the schema names can be made.
func TestSchemaNamesAreKnown(t *testing.T) {
	for _, key := range config.Keys() {
		for _, name := range key.Oneof {
			c := config.Default().Sample
			switch key.Path {
			case "sample.sampler":
				c.Sampler = name
			case "sample.spacing":
				c.Sampler, c.Spacing = "heun", name
			}
			for _, kind := range mixtureSchedules {
				if s := newSampler(t, c, newSchedule(t, kind)); len(s.Steps) == 0 {
					t.Errorf("%s %s has no steps", key.Path, name)
				}
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	s := linear(t)
	for name, change := range map[string]func(*config.Sample){
		"too many steps":  func(c *config.Sample) { c.Steps = 1001 },
		"no steps":        func(c *config.Sample) { c.Steps = 0 },
		"unknown spacing": func(c *config.Sample) { c.Spacing = "even" },
		"unknown sampler": func(c *config.Sample) { c.Sampler = "heunn" },
		"order of 0":      func(c *config.Sample) { c.Sampler, c.Order = "lms", 0 },
		"order of 5":      func(c *config.Sample) { c.Sampler, c.Order = "lms", 5 },
		"cosine steps":    func(c *config.Sample) { c.Sampler, c.Steps = "ddim_cosine", 1001 },
		"karras steps":    func(c *config.Sample) { c.Sampler, c.Steps = "euler", 1001 },
		"clip falls":      func(c *config.Sample) { c.Clip = []float64{1, -1} },
		"clip of one":     func(c *config.Sample) { c.Clip = []float64{1} },
	} {
		c := config.Default().Sample
		c.Sampler = "ddim"
		change(&c)
		if _, err := New(c, s, nil); fault.Code(err) != int(fault.Usage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
