package sample

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"

	"github.com/google/go-cmp/cmp"
)

// gaussian is the perfect net for images whose pixels are N(mean, std²): the
// noise it expects in x_t is E[eps | x_t], in closed form.
type gaussian struct {
	mean, std float64
	alphabar  func(t float64) float64
	largest   int // images it takes at a time
}

func (g gaussian) Predict(y, x []float32, t []float64, _ []int) error {
	if len(t) > g.largest {
		return errors.New("too many images")
	}
	size := len(x) / len(t)
	for i, at := range t {
		a := g.alphabar(at)
		variance := a*g.std*g.std + 1 - a
		for j := i * size; j < (i+1)*size; j++ {
			y[j] = float32(math.Sqrt(1-a) * (float64(x[j]) - math.Sqrt(a)*g.mean) / variance)
		}
	}
	return nil
}

func nets(net Denoiser, n int) []Pair { return slices.Repeat([]Pair{{Net: net}}, n) }

func seeds(n int) []uint64 {
	s := make([]uint64, n)
	for i := range s {
		s[i] = uint64(i)
	}
	return s
}

// Every sampler, given the perfect net, draws from the distribution of the
// images: its mean and deviation come out within four standard errors and the
// sampler's own discretisation error.
func TestSamplersDrawTheDistribution(t *testing.T) {
	s := linear(t)
	continuous := newSchedule(t, config.Schedule{Kind: "cosine", Steps: 1000, Continuous: true})
	const mean, std = 0.3, 0.5
	shape := Shape{8, 8, 1}
	n := 32 * shape.Len()
	for _, k := range []struct {
		sampler, variance, spacing string
		eta                        float64
		steps                      int
		slack                      float64 // discretisation
	}{
		{sampler: "ddpm", variance: "fixed_large", slack: 0.01},
		{sampler: "ddpm", variance: "fixed_small", slack: 0.01},
		{sampler: "ddim", spacing: "leading", eta: 1, steps: 250, slack: 0.02},
		{sampler: "ddim", spacing: "trailing", eta: 0, steps: 100, slack: 0.01},
		{sampler: "ddim", spacing: "linspace", eta: 0.5, steps: 250, slack: 0.01},
		{sampler: "ddim", spacing: "quadratic", eta: 0, steps: 100, slack: 0.02},
		{sampler: "skip", variance: "fixed_small", slack: 0.02},
		{sampler: "sample_at", variance: "fixed_small", slack: 0.03},
	} {
		for _, s := range []*struct {
			name  string
			sched func(float64) float64
			new   func(config.Sample) *Sampler
		}{
			{"linear", s.AlphabarAt, func(c config.Sample) *Sampler { return newSampler(t, c, s) }},
			{"continuous", continuous.AlphabarAt, func(c config.Sample) *Sampler { return newSampler(t, c, continuous) }},
		} {
			c := config.Default().Sample
			c.Sampler, c.Variance, c.Eta = k.sampler, k.variance, k.eta
			if k.sampler == "ddim" {
				c.Steps, c.Spacing = k.steps, k.spacing
			}
			net := gaussian{mean, std, s.sched, 8}
			x, err := s.new(c).Draw(context.Background(), nets(net, 2), shape, seeds(32), Options{Batch: 8})
			if err != nil {
				t.Fatal(err)
			}
			var sum, squares float64
			for _, v := range x {
				sum += float64(v)
				squares += (float64(v) - mean) * (float64(v) - mean)
			}
			se := std / math.Sqrt(float64(n))
			if d := sum/float64(n) - mean; math.Abs(d) > 4*se+k.slack {
				t.Errorf("%s %s: mean is off by %.4f", k.sampler, s.name, d)
			}
			if d := math.Sqrt(squares/float64(n)) - std; math.Abs(d) > 4*se/math.Sqrt2+k.slack {
				t.Errorf("%s %s: deviation is off by %.4f", k.sampler, s.name, d)
			}
		}
	}
}

// every is each sampler, those with noise of their own among them.
func every(t *testing.T, s *schedule.Schedule, steps int) []*Sampler {
	t.Helper()
	var all []*Sampler
	for _, name := range []string{"ddim", "ddim_cosine", "euler", "euler_ancestral", "heun", "lms", "dpmpp_2m"} {
		c := config.Default().Sample
		c.Sampler, c.Steps, c.Clip, c.Churn = name, steps, []float64{-1, 1}, 4
		all = append(all, newSampler(t, c, s))
	}
	return all
}

// An image is its seed: batch, workers and company do not change a bit of it.
func TestImagesDoNotDependOnTheirCompany(t *testing.T) {
	s := linear(t)
	for _, sampler := range every(t, s, 20) {
		t.Run(sampler.Name, func(t *testing.T) { dependOnNothing(t, s, sampler) })
	}
}

func dependOnNothing(t *testing.T, s *schedule.Schedule, sampler *Sampler) {
	net := gaussian{0.3, 0.5, s.AlphabarAt, 64}
	shape := Shape{3, 5, 3}
	draw := func(seeds []uint64, workers, batch int) []float32 {
		x, err := sampler.Draw(context.Background(), nets(net, workers), shape, seeds, Options{Batch: batch})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	want := draw(seeds(13), 1, 13)
	for _, k := range []struct{ workers, batch int }{{1, 1}, {1, 4}, {3, 2}, {2, 64}, {20, 64}} {
		if !slices.Equal(draw(seeds(13), k.workers, k.batch), want) {
			t.Errorf("%d workers and batches of %d change the images", k.workers, k.batch)
		}
	}
	size := shape.Len()
	for i, seed := range []uint64{7, 2, 12} {
		got := draw([]uint64{7, 2, 12}, 2, 2)[i*size : (i+1)*size]
		if !slices.Equal(got, want[int(seed)*size:][:size]) {
			t.Errorf("seed %d is another image in other company", seed)
		}
	}
	if slices.Equal(want[:size], want[size:2*size]) {
		t.Error("two seeds make the same image")
	}
}

// Where data have deviation 1, x_0 and eps are told from x_t by its angle
// atan(sigma) alone, and a step of DDIM multiplies by the cosine of the angle it goes:
// n equal steps of the cosine schedule leave cos(π/2n)^n of the deviation.
func TestFewStepsOfDDIMLoseVariance(t *testing.T) {
	s := newSchedule(t, config.Schedule{Kind: "cosine", Steps: 1000})
	for _, n := range []int{10, 25, 50, 100} {
		c := config.Default().Sample
		c.Sampler, c.Steps, c.Eta, c.Spacing = "ddim", n, 0, "trailing"
		x, err := newSampler(t, c, s).Draw(t.Context(), nets(gaussian{0, 1, s.AlphabarAt, 1}, 1), Shape{1, 1, 1}, seeds(1), Options{Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		start := make([]float32, 1)
		rng.Normal(start, 0, rng.SampleStart, 0, 0)
		step := math.Pi / 2 / float64(n)
		last := step - math.Pi/2/1000 // trailing begins a step of the schedule below pure noise
		want := math.Pow(math.Cos(step), float64(n-1)) * math.Cos(last)
		if got := float64(x[0] / start[0]); math.Abs(got-want) > 1e-5 {
			t.Errorf("%d steps leave %.4f of the deviation, want %.4f", n, got, want)
		}
		t.Logf("%d steps leave %.3f of the variance", n, want*want)
	}
}

// Of every sampler a watcher sees each step once, led from x_T to the images, and
// progress counts its net calls. Where the sampler churns, x_t has fresh noise.
func TestEverySamplerIsWatched(t *testing.T) {
	s := linear(t)
	shape := Shape{2, 2, 1}
	for _, sampler := range every(t, s, 10) {
		var last []float32
		var seen, done int
		x, err := sampler.Draw(context.Background(), nets(gaussian{0.3, 0.5, s.AlphabarAt, 3}, 1), shape, seeds(3), Options{
			Batch:    3,
			Progress: func(d, _ int) { done = d },
			Watch: func(v State) {
				if v.Step != seen || v.T != sampler.Steps[seen].T {
					t.Errorf("%s: step %d at %v, want %d at %v", sampler.Name, v.Step, v.T, seen, sampler.Steps[seen].T)
				}
				calm := sampler.Steps[seen].Churn.Z == 0
				if last != nil && slices.Equal(last, v.X) != calm {
					t.Errorf("%s: step %d does not begin where the one before it ended, or has no fresh noise", sampler.Name, seen)
				}
				last = slices.Clone(v.Next)
				seen++
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if seen != len(sampler.Steps) || done != 3*sampler.NetCalls() || !slices.Equal(x, last) {
			t.Errorf("%s: %d steps and %d net calls seen, want %d and %d", sampler.Name, seen, done, len(sampler.Steps), 3*sampler.NetCalls())
		}
	}
}

// A watcher sees every step of every image, in order, from x_T on.
func TestWatchAndProgress(t *testing.T) {
	s := linear(t)
	c := config.Default().Sample
	c.Sampler, c.Steps, c.Eta = "ddim", 10, 0
	sampler := newSampler(t, c, s)
	shape := Shape{2, 2, 1}
	var mu sync.Mutex
	seen := make([][]float64, 7)
	last := map[int][]float32{}
	var progress []int
	x, err := sampler.Draw(context.Background(), nets(gaussian{0, 1, s.AlphabarAt, 3}, 2), shape, seeds(7), Options{
		Batch: 3,
		Progress: func(done, total int) {
			if total != 70 {
				t.Errorf("total of %d net calls, want 70", total)
			}
			progress = append(progress, done)
		},
		Watch: func(v State) {
			mu.Lock()
			defer mu.Unlock()
			if v.Step == 0 {
				start := make([]float32, 4)
				rng.Normal(start, uint64(v.First), rng.SampleStart, 0, 0)
				if d := cmp.Diff(start, v.X[:4]); d != "" {
					t.Errorf("x_T of image %d (-want +got):\n%s", v.First, d)
				}
			} else if d := cmp.Diff(last[v.First], v.X); d != "" {
				t.Errorf("x before step %d is not x after the one before it:\n%s", v.Step, d)
			}
			last[v.First] = slices.Clone(v.Next)
			for i := range v.N {
				seen[v.First+i] = append(seen[v.First+i], v.T)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, ts := range seen {
		if d := cmp.Diff([]float64{900, 800, 700, 600, 500, 400, 300, 200, 100, 0}, ts); d != "" {
			t.Errorf("image %d (-want +got):\n%s", i, d)
		}
	}
	if !slices.IsSorted(progress) || progress[len(progress)-1] != 70 {
		t.Errorf("progress %v", progress)
	}
	if d := cmp.Diff(x[:12], last[0]); d != "" {
		t.Errorf("the images are not the last step's:\n%s", d)
	}
}

// constant predicts one value.
type constant struct {
	value float32
	err   error
}

func (c constant) Predict(y, _ []float32, _ []float64, _ []int) error {
	for i := range y {
		y[i] = c.value
	}
	return c.err
}

func TestDrawErrors(t *testing.T) {
	c := config.Default().Sample
	c.Sampler, c.Steps = "ddim", 5
	sampler := newSampler(t, c, linear(t))
	shape := Shape{2, 2, 1}
	broken := errors.New("broken")
	draw := func(ctx context.Context, net Denoiser, batch int) error {
		_, err := sampler.Draw(ctx, nets(net, 2), shape, seeds(5), Options{Batch: batch})
		return err
	}
	if err := draw(context.Background(), constant{err: broken}, 1); !errors.Is(err, broken) {
		t.Errorf("a net's error became %v", err)
	}
	if err := draw(context.Background(), constant{value: float32(math.NaN())}, 1); err == nil {
		t.Error("NaNs were drawn")
	}
	if err := draw(context.Background(), constant{}, 0); err == nil {
		t.Error("batches of 0 were drawn")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := draw(ctx, constant{}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled drawing: %v", err)
	}
	if x, err := sampler.Draw(context.Background(), nets(constant{}, 1), shape, nil, Options{Batch: 1}); err != nil || len(x) != 0 {
		t.Errorf("no seeds: %v, %v", x, err)
	}
}

// However many steps there are, drawing takes no more from the heap.
func TestStepsMakeNoGarbage(t *testing.T) {
	s := linear(t)
	net := gaussian{mean: 0.1, std: 0.2, alphabar: s.AlphabarAt, largest: 4}
	for _, kind := range []string{"ddim", "ddpm", "skip", "sample_at"} {
		allocations := func(steps int) float64 {
			sampler := newSampler(t, config.Sample{Sampler: kind, Steps: 100, Spacing: "leading", Eta: 1, Variance: "fixed_small", SkipEvery: 4}, s)
			sampler.Steps = sampler.Steps[:steps]
			o := Options{Batch: 4, Progress: func(int, int) {}, Watch: func(State) {}}
			return testing.AllocsPerRun(5, func() {
				if _, err := sampler.Draw(t.Context(), nets(net, 1), Shape{4, 4, 1}, seeds(4), o); err != nil {
					t.Fatal(err)
				}
			})
		}
		if few, many := allocations(10), allocations(100); many > few {
			t.Errorf("%s: %v allocations in 10 steps, %v in 100", kind, few, many)
		}
	}
}
