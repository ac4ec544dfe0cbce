package eval

import (
	"math"
	"slices"
	"testing"
)

func manifold(t testing.TB, s Source, k int) *Manifold {
	t.Helper()
	m, err := NewManifold(s, k)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func coverage(t testing.TB, samples, reference Source, k int) Coverage {
	t.Helper()
	c, err := MeasureCoverage(manifold(t, samples, k), manifold(t, reference, k))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Points in the plane whose balls can be told by eye, k = 1.
func TestCoverageOfPoints(t *testing.T) {
	plane := func(xy ...float32) Source { return rows{xy, 2} }
	// Two pairs of the reference: balls of radius 1 about (0,0) and (1,0), and of
	// radius 2 about (10,0) and (12,0).
	reference := plane(0, 0, 1, 0, 10, 0, 12, 0)
	for _, c := range []struct {
		name    string
		samples Source
		want    Coverage
	}{
		// (0.5,0) lies in both small balls, (0,0.5) only in the first (1.118 from
		// the second): balls of radius 0.707, which hold no row of the reference
		// but (0,0) and (1,0): both 0.5 from a sample.
		{"one mode", plane(.5, 0, 0, .5), Coverage{Precision: 1, Recall: .5, Density: 1.5, Coverage: .5}},
		// Far off, with small balls.
		{"none", plane(100, 0, 101, 0, 100, 1), Coverage{}},
		// (11,0) lies in both large balls, (-50,0) in none; their balls, of radius
		// 61, reach everything.
		{"spread", plane(11, 0, -50, 0), Coverage{Precision: .5, Recall: 1, Density: 1, Coverage: .5}},
		// On the rim counts: (-1,0) is at 1 from (0,0), (14,0) at 2 from (12,0).
		{"rim", plane(-1, 0, 14, 0), Coverage{Precision: 1, Recall: 1, Density: 1, Coverage: .5}},
		{"copies", reference, Coverage{Precision: 1, Recall: 1, Density: 2, Coverage: 1}},
	} {
		if got := coverage(t, c.samples, reference, 1); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Tiles give what sorting all distances gives.
func TestCoverageAgainstBruteForce(t *testing.T) {
	const d, k = 5, 3
	x := randomGaussian(source(1), d, .5, 3).draw(source(2), 140).(rows)
	y := randomGaussian(source(3), d, .5, 3).draw(source(4), 270).(rows)
	distance := func(a, b []float32) float64 {
		sum := 0.0
		for i, v := range a {
			sum += (float64(v) - float64(b[i])) * (float64(v) - float64(b[i]))
		}
		return math.Sqrt(sum)
	}
	row := func(s rows, i int) []float32 { return s.data[i*d : (i+1)*d] }
	radii := func(s rows) []float64 {
		r := make([]float64, s.Len())
		for i := range r {
			var all []float64
			for j := range s.Len() {
				all = append(all, distance(row(s, i), row(s, j)))
			}
			slices.Sort(all) // the first is the row itself
			r[i] = all[k]
		}
		return r
	}
	rx, ry := radii(x), radii(y)
	for i, v := range manifold(t, x, k).squares {
		near(t, "a squared radius", v, rx[i]*rx[i], 1e-12)
	}
	precise, balls, recalled, covered := 0, 0, 0, 0
	for i := range x.Len() {
		in := 0
		for j := range y.Len() {
			if distance(row(x, i), row(y, j)) <= ry[j] {
				in++
			}
		}
		balls += in
		precise += min(in, 1)
	}
	for j := range y.Len() {
		reached, holds := false, false
		for i := range x.Len() {
			reached = reached || distance(row(x, i), row(y, j)) <= rx[i]
			holds = holds || distance(row(x, i), row(y, j)) <= ry[j]
		}
		if reached {
			recalled++
		}
		if holds {
			covered++
		}
	}
	want := Coverage{float64(precise) / 140, float64(recalled) / 270, float64(balls) / (k * 140), float64(covered) / 270}
	if got := coverage(t, x, y, k); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if want.Precision == 1 || want.Recall == 1 || want.Precision == 0 || want.Recall == 0 {
		t.Errorf("nothing to tell apart: %+v", want)
	}
}

// Two sets of n rows of one distribution: density is 1 and coverage 1 - 2^-k, up
// to terms of 1/n (Naeem et al. 2020, lemmas 1 and 2).
func TestCoverageOfOneDistribution(t *testing.T) {
	g := randomGaussian(source(1), 4, 1, 2)
	got := coverage(t, g.draw(source(2), 3000), g.draw(source(3), 3000), 3)
	if math.Abs(got.Density-1) > .03 || math.Abs(got.Coverage-.875) > .02 {
		t.Errorf("density %.3f and coverage %.3f, want 1 and 0.875", got.Density, got.Coverage)
	}
}

func TestManifoldNeedsNeighbours(t *testing.T) {
	_, err := NewManifold(rows{make([]float32, 6), 2}, 3)
	if want := "a manifold of 3 neighbours needs more than 3 images, and there are 3"; message(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}
