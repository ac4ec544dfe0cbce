package eval

import (
	"math"
	"math/rand/v2"
	"testing"
)

// gaussian draws rows of N(mean, F·Fᵀ): x = mean + F·z.
type gaussian struct {
	mean   []float64
	factor []float64 // d×d
}

// randomGaussian has a covariance with a condition number of about spread².
func randomGaussian(r *rand.Rand, d int, shift, spread float64) gaussian {
	g := gaussian{make([]float64, d), make([]float64, d*d)}
	for i := range d {
		g.mean[i] = shift * r.NormFloat64()
		scale := math.Pow(spread, -float64(i)/float64(d))
		for j := range d {
			g.factor[j*d+i] = scale * r.NormFloat64() / math.Sqrt(float64(d))
		}
		g.factor[i*d+i] += scale
	}
	return g
}

// moments are the distribution's own, of unknown N.
func (g gaussian) moments() Moments {
	d := len(g.mean)
	sigma := make([]float64, d*d)
	for i := range d {
		for j := range d {
			sigma[i*d+j] = dot(g.factor[i*d:(i+1)*d], g.factor[j*d:(j+1)*d])
		}
	}
	return Moments{0, g.mean, sigma}
}

func (g gaussian) draw(r *rand.Rand, n int) Source {
	d := len(g.mean)
	x, z := make([]float32, n*d), make([]float64, d)
	for i := range n {
		for j := range z {
			z[j] = r.NormFloat64()
		}
		for j := range d {
			x[i*d+j] = float32(g.mean[j] + dot(g.factor[j*d:(j+1)*d], z))
		}
	}
	return rows{x, d}
}

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func momentsOf(t testing.TB, s Source) Moments {
	t.Helper()
	m, err := MomentsOf(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func fidOf(t testing.TB, a, b Moments) float64 {
	t.Helper()
	v, err := FID(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// near holds got to want within a share of want.
func near(t testing.TB, name string, got, want, relative float64) {
	t.Helper()
	if !(math.Abs(got-want) <= relative*math.Abs(want)) {
		t.Errorf("%s is %.15g, want %.15g: off by %.1e of it, tolerated is %.0e", name, got, want, math.Abs(got/want-1), relative)
	}
}
