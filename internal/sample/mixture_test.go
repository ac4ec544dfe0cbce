package sample

import (
	"context"
	"math"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"
)

// component is one Gaussian of a mixture over the plane.
type component struct {
	weight float64
	mean   [2]float64
	std    float64
}

// mixture is the perfect net for images of two pixels that are drawn from a
// mixture of Gaussians: its score is known in closed form.
type mixture struct {
	parts    []component
	alphabar func(t float64) float64
}

// clothes is a mixture of unequal parts, as images are: narrow and wide, apart and
// overlapping.
var clothes = []component{
	{0.5, [2]float64{-0.6, -0.4}, 0.15},
	{0.3, [2]float64{0.5, -0.1}, 0.3},
	{0.2, [2]float64{0.3, 0.7}, 0.1},
}

// eps is E[eps | x_t] at x̃ = x_t/sqrt(alphabar): −sigma times the score.
func (m mixture) eps(x [2]float64, sigma float64) [2]float64 {
	logs := make([]float64, len(m.parts))
	largest := math.Inf(-1)
	for i, c := range m.parts {
		v := c.std*c.std + sigma*sigma
		dx, dy := x[0]-c.mean[0], x[1]-c.mean[1]
		logs[i] = math.Log(c.weight/v) - (dx*dx+dy*dy)/(2*v)
		largest = max(largest, logs[i])
	}
	var sum float64
	var eps [2]float64
	for i, c := range m.parts {
		p := math.Exp(logs[i] - largest)
		for k := range eps {
			eps[k] += p * sigma * (x[k] - c.mean[k]) / (c.std*c.std + sigma*sigma)
		}
		sum += p
	}
	return [2]float64{eps[0] / sum, eps[1] / sum}
}

func (m mixture) Predict(y, x []float32, t []float64, _ []int) error {
	for i, at := range t {
		a := m.alphabar(at)
		root := math.Sqrt(a)
		eps := m.eps([2]float64{float64(x[2*i]) / root, float64(x[2*i+1]) / root}, schedule.Sigma(a))
		y[2*i], y[2*i+1] = float32(eps[0]), float32(eps[1])
	}
	return nil
}

var twoPixels = Shape{1, 2, 1}

func draw(t *testing.T, s *Sampler, net Denoiser, seeds []uint64) []float32 {
	t.Helper()
	x, err := s.Draw(context.Background(), nets(net, 2), twoPixels, seeds, Options{Batch: 64})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// flow is where the probability flow dx̃/dsigma = (x̃ − D)/sigma (Karras et al.
// 2022, equation 4) takes each seed's x_T: 4th-order Runge-Kutta in ln sigma, then
// D at the least sigma, as samplers end.
func (m mixture) flow(s *schedule.Schedule, seeds []uint64) []float32 {
	const n = 2000
	least, largest := s.SigmaRange()
	h := math.Log(least/largest) / n
	slope := func(x [2]float64, sigma float64) [2]float64 {
		d := m.eps(x, sigma)
		return [2]float64{sigma * d[0], sigma * d[1]}
	}
	plus := func(x, k [2]float64, h float64) [2]float64 { return [2]float64{x[0] + h*k[0], x[1] + h*k[1]} }
	out := make([]float32, 0, 2*len(seeds))
	for _, seed := range seeds {
		var z [2]float32
		rng.Normal(z[:], seed, rng.SampleStart, 0, 0)
		root := math.Sqrt(1 + largest*largest)
		x := [2]float64{float64(z[0]) * root, float64(z[1]) * root}
		for i := range n {
			at := math.Log(largest) + float64(i)*h
			from, middle, to := math.Exp(at), math.Exp(at+h/2), math.Exp(at+h)
			k1 := slope(x, from)
			k2 := slope(plus(x, k1, h/2), middle)
			k3 := slope(plus(x, k2, h/2), middle)
			k4 := slope(plus(x, k3, h), to)
			for i := range x {
				x[i] += h / 6 * (k1[i] + 2*k2[i] + 2*k3[i] + k4[i])
			}
		}
		d := m.eps(x, least)
		out = append(out, float32(x[0]-least*d[0]), float32(x[1]-least*d[1]))
	}
	return out
}

// rms is the root mean square of a−b.
func rms(a, b []float32) float64 {
	var sum float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(a)))
}

// mixtureSchedules are a schedule of steps and one that is defined between them.
var mixtureSchedules = []config.Schedule{
	{Kind: "linear", Steps: 1000, BetaMin: 1e-4, BetaMax: 0.02},
	{Kind: "cosine", Steps: 1000, Continuous: true},
}

// Every deterministic sampler makes the same images of the same seeds, those of
// the probability flow, and comes nearer with the power of its order when the
// steps double.
func TestDeterministicSamplersConverge(t *testing.T) {
	for _, kind := range mixtureSchedules {
		s := newSchedule(t, kind)
		m := mixture{clothes, s.AlphabarAt}
		want := m.flow(s, seeds(256))
		for _, k := range []struct {
			sampler, spacing string
			lmsOrder         int
			order            float64
			within           float64 // rms at 320 steps; the images' deviation is 0.5
		}{
			{"ddim", "linspace", 1, 1, 1e-2},
			{"ddim", "karras", 1, 1, 1e-2},
			{"ddim_cosine", "auto", 1, 1, 1e-2},
			{"euler", "auto", 1, 1, 1e-2},
			{"euler_ancestral", "auto", 1, 1, 1e-2},
			{"heun", "auto", 1, 2, 2e-4},
			{"lms", "auto", 1, 1, 1e-2},
			{"lms", "auto", 2, 2, 1e-3},
			{"lms", "auto", 3, 3, 1e-4},
			{"lms", "auto", 4, 4, 1e-5},
			{"dpmpp_2m", "auto", 1, 2, 2e-4},
		} {
			c := config.Default().Sample
			c.Sampler, c.Spacing, c.Order, c.Eta = k.sampler, k.spacing, k.lmsOrder, 0
			at := func(steps int) float64 {
				c.Steps = steps
				return rms(draw(t, newSampler(t, c, s), m, seeds(256)), want)
			}
			e160, e320 := at(160), at(320)
			order := math.Log2(e160 / e320)
			t.Logf("%-6s %-15s %-8s order %d: %.1e, %.1e, order %.2f", kind.Kind, k.sampler, k.spacing, k.lmsOrder, e160, e320, order)
			if !(e320 < k.within) || math.Abs(order-k.order) > 0.25 {
				t.Errorf("%s %s %s (order %d): off by %.1e in 160 steps and %.1e in 320: order %.2f, want %v",
					kind.Kind, k.sampler, k.spacing, k.lmsOrder, e160, e320, order, k.order)
			}
		}
	}
}

// momentNames are what images of two pixels are compared by: means, variances, the
// covariance, and the share of those whose first pixel is below −0.1, which lies
// between the parts.
var momentNames = []string{"mean 0", "mean 1", "variance 0", "variance 1", "covariance", "share on the left"}

func (m mixture) moments() []float64 {
	var mean, second [2]float64
	var product, left float64
	for _, c := range m.parts {
		for k := range mean {
			mean[k] += c.weight * c.mean[k]
			second[k] += c.weight * (c.mean[k]*c.mean[k] + c.std*c.std)
		}
		product += c.weight * c.mean[0] * c.mean[1]
		left += c.weight * math.Erfc((c.mean[0]+0.1)/(c.std*math.Sqrt2)) / 2
	}
	return central(mean, second, product, left)
}

func measured(x []float32) []float64 {
	var mean, second [2]float64
	var product, left float64
	n := float64(len(x) / 2)
	for i := 0; i < len(x); i += 2 {
		p := [2]float64{float64(x[i]), float64(x[i+1])}
		for k := range p {
			mean[k] += p[k] / n
			second[k] += p[k] * p[k] / n
		}
		product += p[0] * p[1] / n
		if p[0] < -0.1 {
			left += 1 / n
		}
	}
	return central(mean, second, product, left)
}

func central(mean, second [2]float64, product, left float64) []float64 {
	return []float64{
		mean[0], mean[1], second[0] - mean[0]*mean[0], second[1] - mean[1]*mean[1],
		product - mean[0]*mean[1], left,
	}
}

// What a sampler draws has the mixture's moments and shares, within four standard
// errors (those of a variance and a covariance are a Gaussian's) and the
// discretisation.
func TestSamplersKeepTheMixture(t *testing.T) {
	const n, discretisation = 2048, 0.008
	for _, kind := range mixtureSchedules {
		s := newSchedule(t, kind)
		m := mixture{clothes, s.AlphabarAt}
		want := m.moments()
		v0, v1, cov, left := want[2], want[3], want[4], want[5]
		variances := []float64{v0, v1, 2 * v0 * v0, 2 * v1 * v1, v0*v1 + cov*cov, left * (1 - left)}
		for _, k := range []struct {
			sampler    string
			steps      int
			eta, churn float64
		}{
			{sampler: "ddpm", steps: 1},
			{sampler: "ddim", steps: 250, eta: 1},
			{sampler: "ddim_cosine", steps: 250, eta: 1},
			{sampler: "ddim_cosine", steps: 250, eta: 0.5},
			{sampler: "euler", steps: 250},
			{sampler: "euler", steps: 250, churn: 20},
			{sampler: "euler_ancestral", steps: 250, eta: 1},
			{sampler: "euler_ancestral", steps: 250, eta: 0.5},
			{sampler: "heun", steps: 50},
			{sampler: "heun", steps: 50, churn: 10},
			{sampler: "lms", steps: 50},
			{sampler: "dpmpp_2m", steps: 50},
		} {
			c := config.Default().Sample
			c.Sampler, c.Variance, c.Steps, c.Eta, c.Churn = k.sampler, "fixed_small", k.steps, k.eta, k.churn
			got := measured(draw(t, newSampler(t, c, s), m, seeds(n)))
			for i, name := range momentNames {
				if d := got[i] - want[i]; math.Abs(d) > 4*math.Sqrt(variances[i]/n)+discretisation {
					t.Errorf("%s %+v: the %s is off by %.4f", kind.Kind, k, name, d)
				}
			}
		}
	}
}

// speedOf is a net that says v where another says eps.
type speedOf struct{ mixture }

func (m speedOf) Predict(y, x []float32, t []float64, _ []int) error {
	if err := m.mixture.Predict(y, x, t, nil); err != nil {
		return err
	}
	for i := range y {
		a := m.alphabar(t[i/2])
		x0 := (float64(x[i]) - math.Sqrt(1-a)*float64(y[i])) / math.Sqrt(a)
		y[i] = float32(math.Sqrt(a)*float64(y[i]) - math.Sqrt(1-a)*x0)
	}
	return nil
}

// TestVelocity: a net that says v draws what the same net saying eps draws, with
// every sampler.
func TestVelocity(t *testing.T) {
	for _, name := range []string{"ddpm", "ddim", "skip", "sample_at", "ddim_cosine", "euler", "euler_ancestral", "heun", "lms", "dpmpp_2m"} {
		c := config.Default()
		c.Sample.Sampler, c.Sample.Steps = name, 20
		var drawn [2][]float32
		for i, predict := range []string{config.Eps, config.V} {
			c.Schedule.Predict = predict
			s, err := schedule.New(c.Schedule)
			if err != nil {
				t.Fatal(err)
			}
			sampler, err := New(c.Sample, s, nil)
			if err != nil {
				t.Fatal(err)
			}
			m := mixture{clothes, s.AlphabarAt}
			net := Denoiser(m)
			if predict == config.V {
				net = speedOf{m}
			}
			drawn[i] = draw(t, sampler, net, Seeds(0, 32))
		}
		for i := range drawn[0] {
			if d := math.Abs(float64(drawn[0][i] - drawn[1][i])); d > 1e-3 {
				t.Errorf("%s: pixel %d is %v by eps, %v by v", name, i, drawn[0][i], drawn[1][i])
				break
			}
		}
	}
}
