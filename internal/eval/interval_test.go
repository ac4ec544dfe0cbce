package eval

import (
	"math"
	"testing"

	"diffuse/internal/rng"
)

// weighted is the moments of rows with weights that add up to 1, biased: the
// distribution's own.
func weighted(s rows, weights []float64) Moments {
	d := s.dim
	m := Moments{0, make([]float64, d), make([]float64, d*d)}
	for i, w := range weights {
		for j := range d {
			m.Mean[j] += w * float64(s.data[i*d+j])
		}
	}
	for i, w := range weights {
		for j := range d {
			for k := range d {
				m.Sigma[j*d+k] += w * (float64(s.data[i*d+j]) - m.Mean[j]) * (float64(s.data[i*d+k]) - m.Mean[k])
			}
		}
	}
	return m
}

// The influence of a row is the derivative of FID as its weight grows and all
// others' shrink, here by central differences; also where features depend on
// each other and the covariance is singular, or where there are too few rows.
func TestInfluenceIsTheDerivative(t *testing.T) {
	for _, c := range []struct {
		name string
		n, d int
		tie  bool
	}{{"regular", 50, 8, false}, {"tied features", 50, 8, true}, {"few rows", 7, 12, false}} {
		s := randomGaussian(source(1), c.d, .5, 3).draw(source(2), c.n).(rows)
		if c.tie {
			for i := range c.n {
				s.data[i*c.d+3] = 2 * s.data[i*c.d+5]
				s.data[i*c.d+6] = 1
			}
		}
		reference := randomGaussian(source(3), c.d, .5, 3).moments()
		even := make([]float64, c.n)
		for i := range even {
			even[i] = 1 / float64(c.n)
		}
		got, err := influences(set{s, "samples"}, weighted(s, even), reference)
		if err != nil {
			t.Fatal(err)
		}
		largest := 0.0
		for _, v := range got {
			largest = max(largest, math.Abs(v))
		}
		for i := range c.n {
			const h = 1e-4
			at := func(eps float64) float64 {
				w := make([]float64, c.n)
				for j := range w {
					w[j] = (1 - eps) * even[j]
				}
				w[i] += eps
				return fidOf(t, weighted(s, w), reference)
			}
			want := (at(h) - at(-h)) / (2 * h)
			if math.Abs(got[i]-want) > 1e-5*largest {
				t.Errorf("%s: row %d pulls FID by %v, want %v", c.name, i, got[i], want)
			}
		}
	}
}

// fullBootstrap is the spread of whole FIDs of rows drawn with replacement.
func fullBootstrap(t testing.TB, s Source, reference Moments, count int, seed uint64) (mean, std float64) {
	values := make([]float64, count)
	for r := range values {
		index := make([]int, s.Len())
		for i := range index {
			index[i] = rng.Intn(len(index), seed, rng.Bootstrap, uint64(i), uint64(r))
		}
		values[r] = fidOf(t, momentsOf(t, picked{s, index}), reference)
	}
	mean, v := meanVariance(values)
	return mean, math.Sqrt(v)
}

// The standard error that one set of samples tells, against two others: the
// spread of FID over fresh sets, which is the truth, and the bootstrap of whole
// FIDs. Intervals are held to FID's mean at this n.
func TestFIDInterval(t *testing.T) {
	const d, draws, full = 24, 120, 40
	p, q := randomGaussian(source(1), d, .3, 10), randomGaussian(source(2), d, .3, 10)
	for _, c := range []struct {
		name        string
		n           int
		reference   Moments
		least, most float64 // of the truth
	}{
		{"apart", 12, q.moments(), .8, 1.4}, // n < d
		{"apart", 25, q.moments(), .8, 1.4},
		{"apart", 100, q.moments(), .85, 1.25},
		{"apart", 500, q.moments(), .85, 1.2},
		{"same", 100, p.moments(), 1, 1.7}, // no first-order term: too large, never too small
		{"same", 500, p.moments(), 1, 1.7},
	} {
		var fids, errs, whole []float64
		var intervals []Interval
		for i := range draws {
			s := p.draw(source(uint64(100*c.n+i)), c.n)
			m := momentsOf(t, s)
			fid := fidOf(t, m, c.reference)
			v, err := FIDInterval(s, m, c.reference, fid, uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			if !(v.Lo < fid && fid < v.Hi) {
				t.Errorf("%s, n = %d: FID %v lies outside of its interval %v", c.name, c.n, fid, v)
			}
			if i < 10 {
				mean, std := fullBootstrap(t, s, c.reference, full, uint64(i))
				whole = append(whole, std)
				if i == 0 && mean <= fid {
					t.Errorf("%s, n = %d: replicates of rows that repeat have mean %v, no more than FID %v", c.name, c.n, mean, fid)
				}
			}
			fids, errs, intervals = append(fids, fid), append(errs, v.StdErr), append(intervals, v)
		}
		mean, variance := meanVariance(fids)
		truth := math.Sqrt(variance)
		linear, _ := meanVariance(errs)
		bootstrap, _ := meanVariance(whole)
		held := 0
		for _, v := range intervals {
			if v.Lo <= mean && mean <= v.Hi {
				held++
			}
		}
		share := float64(held) / draws
		t.Logf("%s, n = %d: FID %.4f ± %.4f; standard error %.2f of that, by whole FIDs %.2f; %.0f %% of intervals hold",
			c.name, c.n, mean, truth, linear/truth, bootstrap/truth, 100*share)
		if linear < c.least*truth || linear > c.most*truth {
			t.Errorf("%s, n = %d: the standard error is %.2f of the spread of fresh draws, want %.2f to %.2f", c.name, c.n, linear/truth, c.least, c.most)
		}
		// Whole FIDs spread as much or more; the same, where n is large and the sets apart.
		if ratio := bootstrap / linear; ratio < .85 || c.name == "apart" && c.n > d && ratio > 1.2 {
			t.Errorf("%s, n = %d: whole FIDs spread %.2f as much", c.name, c.n, ratio)
		}
		if share < .88 {
			t.Errorf("%s, n = %d: %.0f %% of intervals hold FID's mean", c.name, c.n, 100*share)
		}
	}
}

func TestFIDIntervalNeedsItsSamples(t *testing.T) {
	g := randomGaussian(source(1), 3, 1, 3)
	s := g.draw(source(2), 20)
	m := momentsOf(t, s)
	for _, wrong := range []Moments{{0, m.Mean, m.Sigma}, {21, m.Mean, m.Sigma}} {
		if _, err := FIDInterval(s, wrong, m, 1, 1); err == nil {
			t.Errorf("an interval of 20 rows for moments of %d", wrong.N)
		}
	}
}

// The bootstrap of a mean is known: a normal of variance (n-1)/n²·s².
func TestResample(t *testing.T) {
	r := source(1)
	values := make([]float64, 500)
	for i := range values {
		values[i] = 3 + r.NormFloat64()
	}
	mean, variance := meanVariance(values)
	drawn := resample(values, 7)
	got, spread := meanVariance(drawn)
	stdErr := math.Sqrt(variance / 500)
	if math.Abs(got-mean) > 4*stdErr/math.Sqrt(replicates) {
		t.Errorf("replicates' mean is %v, want %v", got, mean)
	}
	near(t, "their spread", math.Sqrt(spread), stdErr*math.Sqrt(499./500), .06)
	i := about(10, values, stdErr, 7)
	near(t, "the interval", i.Hi-i.Lo, 2*1.96*stdErr, .1)
	near(t, "its middle", (i.Hi+i.Lo)/2, 10, .01)
}

func TestQuantile(t *testing.T) {
	for p, want := range map[float64]float64{0: 1, .25: 1.75, .5: 2.5, 1: 4} { // numpy.quantile([4, 1, 3, 2], p)
		if got := quantile([]float64{4, 1, 3, 2}, p); got != want {
			t.Errorf("the %v quantile is %v, want %v", p, got, want)
		}
	}
}
