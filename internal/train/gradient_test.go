package train

import (
	"context"
	"math"
	"slices"
	"testing"

	"diffuse/internal/rng"
	"diffuse/internal/team"
)

// fixedBatch is a batch of given images, noise, timesteps and alphabars.
type fixedBatch struct {
	x0, eps     []float32
	t, alphabar []float64
}

func (b *fixedBatch) Len() int { return len(b.t) }

func (b *fixedBatch) Fill(x0, eps []float32, t, alphabar []float64, _ []int, lo, hi int) {
	size := len(b.x0) / len(b.t)
	copy(x0, b.x0[lo*size:hi*size])
	copy(eps, b.eps[lo*size:hi*size])
	copy(t, b.t[lo:hi])
	copy(alphabar, b.alphabar[lo:hi])
}

func randomBatch(n, size int) *fixedBatch {
	b := &fixedBatch{make([]float32, n*size), make([]float32, n*size), make([]float64, n), make([]float64, n)}
	rng.Normal(b.x0, 1, rng.Noise, 0, 0)
	rng.Normal(b.eps, 1, rng.Noise, 1, 0)
	for i := range n {
		b.t[i] = float64(rng.Intn(1000, 1, rng.Timestep, uint64(i), 0))
		b.alphabar[i] = 1 - b.t[i]/1000
	}
	return b
}

// newTeam is a team that ends with the test.
func newTeam(t *testing.T, workers int) *team.Team {
	t.Helper()
	w := team.New(workers)
	t.Cleanup(w.Close)
	return w
}

// noise is the lesson's objective.
var noise = objective{predict: PredictsEps}

func computed(t *testing.T, net *toy, b Source, micro, lanes, workers int) (lossOf, []float32) {
	t.Helper()
	return computedBy(t, noise, net, b, micro, lanes, workers)
}

func computedBy(t *testing.T, o objective, net *toy, b Source, micro, lanes, workers int) (lossOf, []float32) {
	t.Helper()
	s := toySetup(t, toyConfig(), "")
	c, err := newCrew(net, s.Kernels, newTeam(t, workers), micro, o)
	if err != nil {
		t.Fatal(err)
	}
	g := newGradient(c, net.params, lanes)
	r, err := g.compute(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return r, g.sum()
}

// The loss, its gradient and norm in float64, straight from the definitions:
// x_t = sqrt(a)·x_0 + sqrt(1−a)·eps, the mean of w·(W·x_t + b·t/1000 − target)².
func TestGradientIsThatOfTheMeanSquaredError(t *testing.T) {
	noiseTarget := func(_, eps, _ float64) float64 { return eps }
	velocityTarget := func(x0, eps, a float64) float64 { return math.Sqrt(a)*eps - math.Sqrt(1-a)*x0 }
	snr := func(a float64) float64 { return a / (1 - a) }
	for name, c := range map[string]struct {
		objective
		target func(x0, eps, alphabar float64) float64
		weight func(alphabar float64) float64
	}{
		"eps":          {noise, noiseTarget, func(float64) float64 { return 1 }},
		"v":            {objective{predict: PredictsV}, velocityTarget, func(float64) float64 { return 1 }},
		"eps, min-SNR": {objective{PredictsEps, 5}, noiseTarget, func(a float64) float64 { return min(snr(a), 5) / snr(a) }},
		"v, min-SNR":   {objective{PredictsV, 5}, velocityTarget, func(a float64) float64 { return min(snr(a), 5) / (snr(a) + 1) }},
	} {
		t.Run(name, func(t *testing.T) { checkGradient(t, c.objective, c.target, c.weight) })
	}
}

func checkGradient(t *testing.T, o objective, target func(x0, eps, alphabar float64) float64, weight func(alphabar float64) float64) {
	const size, n = 24, 7
	net, b := newToy(size), randomBatch(n, size)
	b.alphabar[0], b.alphabar[1] = 0.9, 0.5 // on both sides of SNR = 5
	want := make([]float64, net.params.Count())
	var loss float64
	for i := range n {
		xt := make([]float64, size)
		for k := range xt {
			xt[k] = math.Sqrt(b.alphabar[i])*float64(b.x0[i*size+k]) + math.Sqrt(1-b.alphabar[i])*float64(b.eps[i*size+k])
		}
		for o := range size {
			d := float64(net.params.Data[size*size+o])*b.t[i]/1000 - target(float64(b.x0[i*size+o]), float64(b.eps[i*size+o]), b.alphabar[i])
			for k := range xt {
				d += xt[k] * float64(net.params.Data[k*size+o])
			}
			w := weight(b.alphabar[i])
			loss += w * d * d / (n * size)
			want[size*size+o] += 2 * w * d * b.t[i] / 1000 / (n * size)
			for k := range xt {
				want[k*size+o] += 2 * w * d * xt[k] / (n * size)
			}
		}
	}
	var norm float64
	for _, g := range want {
		norm += g * g
	}
	r, got := computedBy(t, o, net, b, 2, 3, 2)
	near(t, "loss", r.Loss, loss, 1e-6)
	near(t, "norm", r.Norm, math.Sqrt(norm), 1e-6)
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 1e-6*math.Sqrt(norm) {
			t.Fatalf("gradient %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestGradientBitsDoNotDependOnWorkers(t *testing.T) {
	const size = 260 // two chunks
	net, b := newToy(size), randomBatch(19, size)
	first, want := computed(t, net, b, 2, 4, 1)
	for _, workers := range []int{2, 8} {
		r, got := computed(t, net, b, 2, 4, workers)
		if r != first || !slices.Equal(got, want) {
			t.Errorf("%d workers: %+v, with one %+v; same gradient: %v", workers, r, first, slices.Equal(got, want))
		}
	}
}

// A lane that no micro-batch fell to in a small batch must not count with what
// an earlier batch left in it.
func TestSmallBatchAfterALargeOne(t *testing.T) {
	const size = 8
	net := newToy(size)
	s := toySetup(t, toyConfig(), "")
	c, err := newCrew(net, s.Kernels, newTeam(t, 2), 2, noise)
	if err != nil {
		t.Fatal(err)
	}
	g := newGradient(c, net.params, 3)
	if _, err := g.compute(context.Background(), randomBatch(9, size)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.compute(context.Background(), randomBatch(1, size)); err != nil {
		t.Fatal(err)
	}
	_, want := computed(t, net, randomBatch(1, size), 2, 3, 1)
	if !slices.Equal(g.sum(), want) {
		t.Error("the gradient of a batch of one image differs after a larger batch")
	}
}

func TestClipFactor(t *testing.T) {
	near(t, "no limit", clipFactor(1e9, 0), 1, 0)
	near(t, "below the limit", clipFactor(.5, 1), 1, 0)
	near(t, "above the limit", clipFactor(4, 1), 1/(4+1e-6), 1e-15)
}

// A finite gradient whose squares overflow float32 has a finite norm.
func TestNormOfHugeGradients(t *testing.T) {
	net := newToy(4)
	s := toySetup(t, toyConfig(), "")
	c, err := newCrew(net, s.Kernels, newTeam(t, 1), 2, noise)
	if err != nil {
		t.Fatal(err)
	}
	g := newGradient(c, net.params, 1)
	for _, k := range []float32{1e25, float32(math.Inf(1)), float32(math.NaN())} {
		clear(g.sum())
		g.sum()[18] = k // time.bias
		g.loss = []float64{1}
		g.now.used = 1
		g.reduce()
		r := g.judge(1)
		if finite(float64(k)) {
			near(t, "norm", r.Norm, float64(k), 1e-6)
			if r.What != "" {
				t.Errorf("%v counts as non-finite", k)
			}
		} else if r.What != "gradient" || r.Layer != "time.bias" {
			t.Errorf("%v is blamed on the %s of %q", k, r.What, r.Layer)
		}
	}
}
