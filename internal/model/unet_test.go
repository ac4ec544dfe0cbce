package model

import (
	"math"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/rng"
	"diffuse/internal/team"
)

var (
	fashion = config.Model{
		Channels: []int{32, 64, 128, 256}, Layers: 2, Groups: 8, HeadDim: 8,
		Attention: []bool{false, true, true, true},
	}
	small = config.Model{
		Channels: []int{12, 24}, Layers: 1, Groups: 3, HeadDim: 8, Attention: []bool{false, true},
	}
)

// The counts are diffusers' (shared/design/LESSON.md, C1).
func TestCountUNet(t *testing.T) {
	cifar := config.Model{
		Channels: []int{224, 448, 672, 896}, Layers: 2, Groups: 32, HeadDim: 8,
		Attention: []bool{false, true, true, true},
	}
	for _, tc := range []struct {
		cfg   config.Model
		image int
		want  int
	}{{fashion, 1, 15_890_753}, {fashion, 3, 15_891_907}, {cifar, 3, 274_056_163}} {
		if got := CountUNet(tc.cfg, Images{Channels: tc.image}); got != tc.want {
			t.Errorf("%v with %d image channels: %d parameters, want %d", tc.cfg.Channels, tc.image, got, tc.want)
		}
	}
}

func newSmall(t *testing.T, grad bool) *UNet {
	t.Helper()
	u, err := NewUNet(small, Images{Size: 8, Channels: 3}, grad, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	u.Init(1)
	return u
}

// What a net says of an image does not depend on its neighbours in the batch,
// on its place, or on how many images a worker was made for.
func TestPredictionStandsAlone(t *testing.T) {
	u := newSmall(t, false)
	const n, size = 5, 8 * 8 * 3
	x, times := make([]float32, n*size), []float64{0, 13.5, 400, 998, 7}
	rng.Normal(x, 2, rng.Noise, 0, 0)
	all := make([]float32, len(x))
	predict := func(most int, y, x []float32, t0 []float64) {
		w, err := u.Worker(most, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Predict(y, x, t0, nil); err != nil {
			t.Fatal(err)
		}
	}
	predict(n, all, x, times)
	for i := range n {
		one := make([]float32, size)
		predict(i+1, one, x[i*size:(i+1)*size], times[i:i+1])
		if !slices.Equal(one, all[i*size:(i+1)*size]) {
			t.Errorf("image %d alone differs from image %d of %d", i, i, n)
		}
	}
}

// The gradient of several images is the sum of theirs, and a run adds to what
// is there.
func TestGradientsAdd(t *testing.T) {
	u := newSmall(t, true)
	const n, size = 3, 8 * 8 * 3
	x, target, times := make([]float32, n*size), make([]float32, n*size), []float64{3, 500, 990}
	rng.Normal(x, 2, rng.Noise, 0, 0)
	rng.Normal(target, 2, rng.Noise, 1, 0)
	w, err := u.Worker(n, true)
	if err != nil {
		t.Fatal(err)
	}
	together, apart := make([]float32, len(u.params.Data)), make([]float32, len(u.params.Data))
	loss, one := make([]float64, n), make([]float64, 1)
	if err := w.Gradients(together, loss, x, target, times, nil, nil, 0.5); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		at := func(v []float32) []float32 { return v[i*size : (i+1)*size] }
		if err := w.Gradients(apart, one, at(x), at(target), times[i:i+1], nil, nil, 0.5); err != nil {
			t.Fatal(err)
		}
		if one[0] != loss[i] {
			t.Errorf("image %d: loss %g alone, %g among others", i, one[0], loss[i])
		}
	}
	scale := norm2(together)
	for i := range apart {
		apart[i] -= together[i]
	}
	if diff := norm2(apart) / scale; !(diff < 1e-5) {
		t.Errorf("the sum of the images' gradients differs by %g", diff)
	}
}

// PyTorch draws weights and biases from U(−1/√fan_in, 1/√fan_in).
func TestInitIsPyTorchs(t *testing.T) {
	u := newSmall(t, false)
	for _, p := range u.params.List {
		w := p.At(u.params.Data)
		if p.Kind == Vector {
			if strings.Contains(p.Name, "norm") && strings.HasSuffix(p.Name, "weight") && slices.Max(w) != 1 {
				t.Errorf("%s does not start at one", p.Name)
			}
			continue
		}
		bound := 1 / math.Sqrt(float64(p.Len/p.Shape[0]))
		var square float64
		for _, v := range w {
			if math.Abs(float64(v)) > bound {
				t.Fatalf("%s holds %g, beyond ±%g", p.Name, v, bound)
			}
			square += float64(v) * float64(v) / float64(p.Len)
		}
		// A uniform variable's variance is bound²/3; the estimate's own deviation is √(4/5n) of it.
		if ratio := square / (bound * bound / 3); math.Abs(ratio-1) > 5*math.Sqrt(0.8/float64(p.Len)) {
			t.Errorf("%s has %.2f of the variance it should have", p.Name, ratio)
		}
	}
}

// The lesson's init_ddpm: zero conv2 but in the middle, zero conv_out,
// orthogonal downsamplers.
func TestInitDDPM(t *testing.T) {
	u := newSmall(t, false)
	u.cfg.Init = "ddpm"
	u.Init(1)
	for _, p := range u.params.List {
		w := p.At(u.params.Data)
		zero := slices.Max(w) == 0 && slices.Min(w) == 0
		wantZero := p.Name == "conv_out.weight" ||
			strings.HasSuffix(p.Name, "conv2.weight") && !strings.HasPrefix(p.Name, "mid_block")
		if p.Kind == Conv && zero != wantZero {
			t.Errorf("%s is zero: %t", p.Name, zero)
		}
		if strings.Contains(p.Name, "downsamplers") && p.Kind == Conv {
			checkOrthonormal(t, p, u.params.Data)
		}
	}
}

func checkOrthonormal(t *testing.T, p *Param, flat []float32) {
	t.Helper()
	rows := make([]float32, p.Len)
	p.ToTorch(rows, flat)
	cols := p.Len / p.Shape[0]
	for i := range p.Shape[0] {
		for j := range i + 1 {
			var dot float64
			for k := range cols {
				dot += float64(rows[i*cols+k]) * float64(rows[j*cols+k])
			}
			want := 0.0
			if i == j {
				want = 1
			}
			if math.Abs(dot-want) > 1e-5 {
				t.Errorf("%s: rows %d and %d have the product %g", p.Name, i, j, dot)
			}
		}
	}
}

func TestWorkerRefusesWhatDoesNotFit(t *testing.T) {
	u := newSmall(t, false)
	w, err := u.Worker(2, false)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 2*8*8*3)
	for name, call := range map[string]func() error{
		"too many images": func() error {
			return w.Predict(make([]float32, 3*192), make([]float32, 3*192), make([]float64, 3), nil)
		},
		"no images":      func() error { return w.Predict(nil, nil, nil, nil) },
		"wrong size":     func() error { return w.Predict(x, x, make([]float64, 1), nil) },
		"no gradients":   func() error { return w.Gradients(nil, nil, x, x, make([]float64, 2), nil, nil, 1) },
		"shorter output": func() error { return w.Predict(x[:3], x, make([]float64, 2), nil) },
	} {
		if call() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNewUNetRefusesImpossibleNets(t *testing.T) {
	for name, change := range map[string]func(*config.Model, *int){
		"attention of another length": func(c *config.Model, _ *int) { c.Attention = c.Attention[:1] },
		"groups":                      func(c *config.Model, _ *int) { c.Groups = 5 },
		"head dim":                    func(c *config.Model, _ *int) { c.HeadDim = 7 },
		"size":                        func(_ *config.Model, size *int) { *size = 9 },
	} {
		cfg, size := small, 8
		change(&cfg, &size)
		if _, err := NewUNet(cfg, Images{Size: size, Channels: 1}, false, kernel.Best()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A worker that has run before takes nothing from the heap.
func TestWorkersMakeNoGarbage(t *testing.T) {
	const n, size = 3, 8 * 8 * 3
	x, y, times, loss := make([]float32, n*size), make([]float32, n*size), []float64{3, 500, 998}, make([]float64, n)
	rng.Normal(x, 2, rng.Noise, 0, 0)
	alone := team.New(1)
	for _, set := range kernel.Sets() {
		for _, precision := range []kernel.Precision{kernel.FP32, kernel.BF16} {
			u, err := NewUNet(small, Images{Size: 8, Channels: 3}, true, set.In(precision))
			if err != nil {
				t.Fatal(err)
			}
			u.Init(1)
			w, err := u.Worker(n, true)
			if err != nil {
				t.Fatal(err)
			}
			grad := make([]float32, u.params.Count())
			for what, call := range map[string]func() error{
				"Predict":   func() error { return w.Predict(y, x, times, nil) },
				"Gradients": func() error { return w.Gradients(grad, loss, x, y, times, nil, nil, 1) },
				"Repack":    func() error { u.Repack(alone); return nil },
			} {
				if allocations := testing.AllocsPerRun(5, func() {
					if err := call(); err != nil {
						t.Fatal(err)
					}
				}); allocations > 0 {
					t.Errorf("%s, %s: %v allocations in %s", set.Name(), precision, allocations, what)
				}
			}
		}
	}
}
