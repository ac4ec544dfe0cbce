package linalg

import (
	"fmt"
	"math"
	"testing"
)

// form is xᵀ·A·x by the definition.
func form(a, x []float64) (sum float64) {
	for i := range x {
		for j := range x {
			sum += x[i] * a[i*len(x)+j] * x[j]
		}
	}
	return sum
}

// Any A maps S1 to S2 = A·S1·A: of full rank, of fewer samples than features,
// scaled beyond what squares of float64 hold, with roots a million apart, and
// with an A that is singular.
func TestTransportIsTheMap(t *testing.T) {
	onAllTeams(t, func(t *testing.T, team *team) {
		for _, c := range []struct {
			d, samples int
			a          func(d int) []float64
			scale      float64
		}{
			{1, 3, func(d int) []float64 { return []float64{3} }, 1},
			{2, 1, func(d int) []float64 { return gram(2, 9, d) }, 1},
			{7, 20, func(d int) []float64 { return gram(2, 30, d) }, 1},
			{49, 100, func(d int) []float64 { return gram(2, 120, d) }, 1},
			{130, 400, func(d int) []float64 { return gram(2, 300, d) }, 1e150},
			{130, 40, func(d int) []float64 { return gram(2, 300, d) }, 1e-3},
			{130, 400, func(d int) []float64 { return withSpectrum(2, geometric(d, 1e-6)) }, 1},
			{70, 200, func(d int) []float64 { return gram(2, 30, d) }, 1},
		} {
			d := c.d
			rows := 2*d + 3
			s1, a, x := gram(1, c.samples, d), c.a(d), make([]float64, rows*d)
			as, s2 := make([]float64, d*d), make([]float64, d*d)
			team.mul(as, a, s1, d)
			team.mul(s2, as, a, d)
			g := normals(3, rows*d)
			for i := range rows { // x = S1·g lies in the space of S1's columns
				for j := range d {
					for k := range d {
						x[i*d+j] += g[i*d+k] * s1[k*d+j]
					}
				}
			}
			p, err := team.newTransport(scaled(s1, c.scale), scaled(s2, c.scale), d)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float64, rows)
			p.Forms(got, x)
			// |y|² = gᵀ·S1·g, and sqrt(M) has the eigenvalues of A·S1.
			most := math.Sqrt(trace(s2, d) * trace(s1, d))
			for i, v := range got {
				y2 := form(s1, g[i*d:(i+1)*d])
				checkNear(t, fmt.Sprintf("d = %d, %d samples: form %d", d, c.samples, i), v, form(a, x[i*d:(i+1)*d]), 1e-6*y2*most)
			}
		}
	})
}

func TestTransportOfNothing(t *testing.T) {
	zero, identity, x, got := make([]float64, 9), []float64{1, 0, 0, 0, 1, 0, 0, 0, 1}, []float64{1, 2, 3}, make([]float64, 1)
	for _, s := range [][2][]float64{{zero, identity}, {identity, zero}, {zero, zero}} {
		p, err := NewTransport(s[0], s[1], 3, 1)
		if err != nil {
			t.Fatal(err)
		}
		got[0] = 1
		if p.Forms(got, x); got[0] != 0 {
			t.Errorf("from %v to %v: %v", s[0], s[1], got[0])
		}
	}
}

func TestTransportRefuses(t *testing.T) {
	identity := []float64{1, 0, 0, 1}
	for i, s := range [][2][]float64{
		{identity[:3], identity}, {identity, identity[:3]},
		{{1, math.NaN(), math.NaN(), 1}, identity}, {identity, {1, math.Inf(1), math.Inf(1), 1}},
		{{1, 2, 2, 1}, identity}, {{1, .5, .4, 1}, identity}, {identity, {1, .5, .4, 1}},
	} {
		if _, err := NewTransport(s[0], s[1], 2, 1); err == nil {
			t.Errorf("case %d: no error", i)
		}
	}
}

// A form of a tridiagonal T = diag(d) is Σ sqrt(d)·z², over all sizes that x may
// have.
func TestRootOfDiagonal(t *testing.T) {
	for x := 1.0; x > 1e-20; x /= 3 {
		r, err := newRootOfT([]float64{x, 1}, []float64{0})
		if err != nil {
			t.Fatal(err)
		}
		checkNear(t, fmt.Sprintf("sqrt(%v)", x), r.form([]float64{1, 0}), math.Sqrt(x), 1e-6)
	}
}

// Statistics that were rounded are slightly indefinite; no node may meet the
// negative eigenvalue.
func TestRootOfIndefinite(t *testing.T) {
	for k := range 12 {
		noise := node(k) * node(k) * (1 + 1e-9)
		r, err := newRootOfT([]float64{-noise, 1}, []float64{0})
		if err != nil {
			t.Fatal(err)
		}
		checkNear(t, fmt.Sprintf("the root of %v", -noise), r.form([]float64{1, 0}), 0, 1e-6)
		checkNear(t, "the root of 1", r.form([]float64{0, 1}), 1, noise+1e-6)
	}
}

// Statistics that went through a float32 file are indefinite by its rounding,
// which roots show as its own root: 2e-4.
func TestTransportOfRoundedStatistics(t *testing.T) {
	const d, rows = 150, 20
	onAllTeams(t, func(t *testing.T, team *team) {
		s1, s2, x := gram(1, 400, d), gram(2, 60, d), normals(3, rows*d)
		forms := func() []float64 {
			p, err := team.newTransport(s1, s2, d)
			if err != nil {
				t.Fatal(err)
			}
			f := make([]float64, rows)
			p.Forms(f, x)
			return f
		}
		want := forms()
		for i, v := range s2 {
			s2[i] = float64(float32(v))
		}
		for i, v := range forms() {
			checkNear(t, fmt.Sprintf("form %d", i), v, want[i], 1e-3*want[i])
		}
	})
}
