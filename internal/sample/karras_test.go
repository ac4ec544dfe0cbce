package sample

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/schedule"

	"pgregory.net/rapid"
)

// inNoise rewrites what an update takes from x_t as what it takes from x0_hat and
// eps_hat, of which x_t is made: all that is drawn from the true image and from
// the true noise, if every call told these.
func inNoise(u Update, alphabar float64) (x0, eps float64) {
	x0, eps = u.X0+u.X*math.Sqrt(alphabar), u.Eps+u.X*math.Sqrt(1-alphabar)
	for _, p := range u.Past {
		x0 += p.X0
		eps += p.Eps
	}
	return x0, eps
}

// Euler is DDIM at eta 0 and its ancestral form DDIM at the same eta, on any
// schedule and between any two levels.
func TestKarrasFormIsDDIM(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := rapid.Float64Range(1e-6, 0.999).Draw(rt, "alphabar")
		to := rapid.Float64Range(from, 1).Draw(rt, "alphabar_s")
		eta := rapid.Float64Range(0, 1).Draw(rt, "eta")
		s := Step{Alphabar: from, AlphabarPrev: to}
		for name, pair := range map[string][2]Update{
			"euler":     {Euler(s), DDIM(s, 0)},
			"ancestral": {EulerAncestral(s, eta), DDIM(s, eta)},
		} {
			x0, eps := inNoise(pair[0], from)
			if want := pair[1]; math.Abs(x0-want.X0) > 1e-9 || math.Abs(eps-want.Eps) > 1e-6 || math.Abs(pair[0].Z-want.Z) > 1e-7 {
				rt.Fatalf("%s: x0 %v, eps %v, z %v, DDIM has %+v", name, x0, eps, pair[0].Z, want)
			}
		}
	})
}

// Given the true image and noise at every call, a step leads to the next level of
// their mixture, whatever it makes of the calls before.
func TestHistoryKeepsTheMarginals(t *testing.T) {
	s := linear(t)
	for _, k := range []struct {
		sampler string
		order   int
	}{{"heun", 1}, {"lms", 2}, {"lms", 3}, {"lms", 4}, {"dpmpp_2m", 1}} {
		c := config.Default().Sample
		c.Sampler, c.Order, c.Steps = k.sampler, k.order, 12
		sampler := newSampler(t, c, s)
		for i, step := range sampler.Steps {
			u := sampler.Update(sampler.Steps[:i+1])
			if step.Correct {
				u = sampler.Correct(step)
			}
			x0, eps := inNoise(u, step.Alphabar)
			if step.AlphabarPrev == 1 && u != (Update{X0: 1}) {
				t.Errorf("%s's last step is %+v, not x0_hat", k.sampler, u)
			}
			if math.Abs(x0-math.Sqrt(step.AlphabarPrev)) > 1e-9 || math.Abs(eps-math.Sqrt(1-step.AlphabarPrev)) > 1e-9 {
				t.Errorf("%s %d: step %d leads to %v of the image and %v of the noise, want %v and %v", k.sampler, k.order, i,
					x0, eps, math.Sqrt(step.AlphabarPrev), math.Sqrt(1-step.AlphabarPrev))
			}
		}
	}
}

// At equal distances the weights are Adams and Bashforth's.
func TestMultistep(t *testing.T) {
	for _, want := range [][]float64{
		{1}, {3. / 2, -1. / 2}, {23. / 12, -16. / 12, 5. / 12}, {55. / 24, -59. / 24, 37. / 24, -9. / 24},
	} {
		nodes := []float64{7, 6, 5, 4}[:len(want)]
		for j, c := range multistep(nodes, 8) {
			if math.Abs(c-want[j]) > 1e-12 {
				t.Errorf("order %d: weight %d is %v, want %v", len(want), j, c, want[j])
			}
		}
	}
	// At others they integrate every power that they must.
	nodes := []float64{1, 1.5, 3, 7}
	for power := range nodes {
		var sum float64
		for j, c := range multistep(nodes, 0.2) {
			sum += c * math.Pow(nodes[j], float64(power))
		}
		n := float64(power + 1)
		if want := (math.Pow(0.2, n) - math.Pow(1, n)) / n; math.Abs(sum-want) > 1e-12 {
			t.Errorf("the integral of power %d is %v, want %v", power, sum, want)
		}
	}
}

// DPM-Solver++(2M) as its paper writes it (Lu et al. 2022, Algorithm 2), in terms
// of alpha_t = sqrt(alphabar), sigma_t = sqrt(1−alphabar) and lambda = ln(alpha/sigma).
func TestDPMpp2MAsInThePaper(t *testing.T) {
	c := config.Default().Sample
	c.Sampler, c.Steps, c.Spacing = "dpmpp_2m", 20, "trailing"
	steps := newSampler(t, c, linear(t)).Steps
	alpha := math.Sqrt
	sigma := func(a float64) float64 { return math.Sqrt(1 - a) }
	lambda := func(a float64) float64 { return math.Log(alpha(a) / sigma(a)) }
	for i := 1; i < len(steps)-1; i++ {
		before, from, to := steps[i-1].Alphabar, steps[i].Alphabar, steps[i].AlphabarPrev
		h := lambda(to) - lambda(from)
		r := (lambda(from) - lambda(before)) / h
		scale := -alpha(to) * (math.Exp(-h) - 1)
		want := Update{X: sigma(to) / sigma(from), X0: scale * (1 + 1/(2*r))}
		want.Past[0].X0 = -scale / (2 * r)
		got := DPMpp2M(steps[:i+1])
		if math.Abs(got.X-want.X) > 1e-10 || math.Abs(got.X0-want.X0) > 1e-10 || math.Abs(got.Past[0].X0-want.Past[0].X0) > 1e-10 {
			t.Errorf("step %d: %+v, want %+v", i, got, want)
		}
	}
}

// The roots of order rho fall in equal steps between the schedule's ends, and the
// net is told the times of these levels.
func TestKarrasTimes(t *testing.T) {
	for _, kind := range mixtureSchedules {
		s := newSchedule(t, kind)
		least, largest := s.SigmaRange()
		ts, err := times(s, config.Sample{Steps: 11, Spacing: "karras"})
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range ts {
			part := float64(i) / 10
			root := (1-part)*math.Pow(largest, 1./7) + part*math.Pow(least, 1./7)
			if got, want := schedule.Sigma(s.AlphabarAt(at)), math.Pow(root, 7); math.Abs(got-want) > 1e-8*want {
				t.Errorf("%s: level %d is %v, want %v", kind.Kind, i, got, want)
			}
		}
		if first := s.InverseAlphabar(schedule.FromSigma(largest)); math.Abs(ts[0]-first) > 1e-9 {
			t.Errorf("%s begins at %v, want %v", kind.Kind, ts[0], first)
		}
		if one, err := times(s, config.Sample{Steps: 1, Spacing: "karras"}); err != nil || len(one) != 1 || math.Abs(one[0]-ts[0]) > 1e-9 {
			t.Errorf("%s: one step is at %v, %v", kind.Kind, one, err)
		}
	}
}

// A range of sigma within the schedule's is kept to, one beyond it ends where that
// does, and one beside it is an error.
func TestKarrasTimesWithinARange(t *testing.T) {
	s := newSchedule(t, mixtureSchedules[0])
	least, largest := s.SigmaRange()
	for _, k := range []struct{ asked, want []float64 }{
		{[]float64{0.1, 5}, []float64{0.1, 5}},
		{[]float64{least / 2, 5}, []float64{least, 5}},
		{[]float64{0.1, 2 * largest}, []float64{0.1, largest}},
	} {
		ts, err := times(s, config.Sample{Steps: 9, Spacing: "karras", SigmaRange: k.asked})
		if err != nil {
			t.Fatal(err)
		}
		first, last := schedule.Sigma(s.AlphabarAt(ts[0])), schedule.Sigma(s.AlphabarAt(ts[8]))
		if math.Abs(first-k.want[1]) > 1e-8*first || math.Abs(last-k.want[0]) > 1e-8*last {
			t.Errorf("%v: from %v to %v, want %v", k.asked, first, last, k.want)
		}
	}
	for _, beside := range [][]float64{{2 * largest, 3 * largest}, {least / 3, least / 2}, {5, 0.1}, {1}} {
		if _, err := times(s, config.Sample{Steps: 9, Spacing: "karras", SigmaRange: beside}); fault.Code(err) != int(fault.Usage) {
			t.Errorf("%v: error %v, want one of usage", beside, err)
		}
	}
}

// Churn raises sigma by min(S_churn/N, sqrt(2)−1) of itself and no further than
// the net was trained; what it makes of x_t has the noise of the raised level.
func TestChurn(t *testing.T) {
	for _, kind := range mixtureSchedules {
		s := newSchedule(t, kind)
		_, largest := s.SigmaRange()
		for churn, gamma := range map[float64]float64{0: 0, 0.5: 0.025, 100: math.Sqrt2 - 1} {
			c := config.Default().Sample
			c.Sampler, c.Steps = "heun", 20
			calm := newSampler(t, c, s).Steps
			c.Churn = churn
			for i, step := range newSampler(t, c, s).Steps {
				want := min(schedule.Sigma(calm[i].Alphabar)*(1+gamma), largest)
				if got := schedule.Sigma(step.Alphabar); math.Abs(got-want) > 1e-8*want {
					t.Errorf("%s: churn %v: step %d at sigma %v, want %v", kind.Kind, churn, i, got, want)
				}
				if math.Abs(s.AlphabarAt(step.T)-step.Alphabar) > 1e-9 || step.TPrev != calm[i].TPrev || step.AlphabarPrev != calm[i].AlphabarPrev {
					t.Errorf("%s: churn %v: step %d is %+v, %+v without", kind.Kind, churn, i, step, calm[i])
				}
				u := step.Churn
				if u == (Update{}) {
					u.X = 1 // nothing is done
				}
				signal := u.X * math.Sqrt(calm[i].Alphabar)
				variance := u.X*u.X*(1-calm[i].Alphabar) + u.Z*u.Z
				if math.Abs(signal-math.Sqrt(step.Alphabar)) > 1e-9 || math.Abs(variance-(1-step.Alphabar)) > 1e-9 {
					t.Errorf("%s: churn %v: step %d: signal %v, variance %v at alphabar %v", kind.Kind, churn, i, signal, variance, step.Alphabar)
				}
			}
		}
	}
}

// The cosine notebook's sampler takes t = linspace(1−1/n, 0, n) on its own schedule
// and the times of the same levels on another; near the end it adds no noise.
func TestDDIMCosine(t *testing.T) {
	c := config.Default().Sample
	c.Sampler, c.Steps = "ddim_cosine", 50
	own := newSampler(t, c, newSchedule(t, mixtureSchedules[1]))
	for i, step := range own.Steps {
		u := 1 - float64(i+1)/50
		prev := schedule.Cosine(max(u-0.02, 0))
		if math.Abs(step.T-u) > 1e-9 || math.Abs(step.Alphabar-schedule.Cosine(u)) > 1e-9 || math.Abs(step.AlphabarPrev-prev) > 1e-9 {
			t.Errorf("step %d is %+v, want t = %v", i, step, u)
		}
		if prev == 1 {
			continue
		}
		sigma := math.Sqrt((1-prev)/(1-schedule.Cosine(u))) * math.Sqrt(1-schedule.Cosine(u)/prev) // eta 1
		if 1-prev <= sigma*sigma+0.01 {
			sigma = 0
		}
		if got := own.Update(own.Steps[:i+1]); math.Abs(got.Z-sigma) > 1e-9 || math.Abs(got.Eps*got.Eps-(1-prev-sigma*sigma)) > 1e-9 {
			t.Errorf("step %d: %+v, want sigma = %v", i, got, sigma)
		}
	}
	if quiet := own.Update(own.Steps[:47]); quiet.Z != 0 || DDIM(own.Steps[46], 1).Z == 0 {
		t.Error("nothing quiets the last steps")
	}

	s := linear(t)
	other := newSampler(t, c, s).Steps
	first, last := schedule.CosineInverse(s.Alphabar[0]), 0.98
	for i, step := range other {
		u := last + (first-last)*float64(i)/49
		if math.Abs(step.Alphabar-schedule.Cosine(u)) > 1e-9 || math.Abs(s.InverseAlphabar(step.Alphabar)-step.T) > 1e-6 {
			t.Errorf("on linear: step %d is %+v, want alphabar %v", i, step, schedule.Cosine(u))
		}
	}
}

// The cosine's leading steps end where there is no noise: Karras' form leaves that
// out, and says so where nothing else is left.
func TestStepWithoutNoise(t *testing.T) {
	s := newSchedule(t, mixtureSchedules[1])
	c := config.Default().Sample
	c.Sampler, c.Spacing, c.Steps = "euler", "leading", 10
	steps := newSampler(t, c, s).Steps
	if len(steps) != 9 || steps[8].AlphabarPrev != 1 || math.Abs(steps[8].T-0.1) > 1e-12 {
		t.Errorf("%d steps to %+v", len(steps), steps[len(steps)-1])
	}
	c.Steps = 1
	if _, err := New(c, s, nil); fault.Code(err) != int(fault.Usage) {
		t.Errorf("one leading step: %v", err)
	}
}

// inKarrasForm are the samplers whose eps_hat follows a clamped x0_hat.
var inKarrasForm = []string{"euler", "euler_ancestral", "heun", "lms", "dpmpp_2m"}

// With a clamp, x0_hat and the images stay within it; in Karras' form eps_hat is
// the slope to the clamped image, elsewhere what the net said.
func TestClip(t *testing.T) {
	s := linear(t)
	m := mixture{clothes, s.AlphabarAt}
	for _, name := range append([]string{"ddim"}, inKarrasForm...) {
		c := config.Default().Sample
		c.Sampler, c.Steps, c.Clip = name, 15, []float64{-0.4, 0.4}
		sampler := newSampler(t, c, s)
		var mu sync.Mutex
		var clamped bool
		var apart float64 // of x_t and what x0_hat and eps_hat make
		x, err := sampler.Draw(context.Background(), nets(m, 1), twoPixels, seeds(32), Options{Batch: 8, Watch: func(v State) {
			mu.Lock()
			defer mu.Unlock()
			a := s.AlphabarAt(v.T)
			for i, x0 := range v.X0Hat {
				clamped = clamped || x0 == 0.4
				apart = max(apart, math.Abs(float64(v.X[i])-math.Sqrt(a)*float64(x0)-math.Sqrt(1-a)*float64(v.Eps[i])))
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if lo, hi := slices.Min(x), slices.Max(x); lo < -0.4 || hi > 0.4 || !clamped {
			t.Errorf("%s: images from %v to %v, clamped: %v", name, lo, hi, clamped)
		}
		if follows := apart < 1e-5; follows != (name != "ddim") {
			t.Errorf("%s: x_t is off x0_hat and eps_hat by %v", name, apart)
		}
	}
}
