package linalg

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"diffuse/internal/kernel"
)

// onAllTeams runs f on every kernel set with one worker and with three.
func onAllTeams(t *testing.T, f func(t *testing.T, team *team)) {
	for _, s := range kernel.Sets() {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d", s.Name(), workers), func(t *testing.T) { f(t, &team{kernels: s, workers: workers}) })
		}
	}
}

func normals(seed uint64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 64))
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

// gram is rowsᵀ·rows / rows of d normal values, by the definition.
func gram(seed uint64, rows, d int) []float64 {
	x, s := normals(seed, rows*d), make([]float64, d*d)
	for r := range rows {
		for i := range d {
			for j := range d {
				s[i*d+j] += x[r*d+i] * x[r*d+j] / float64(rows)
			}
		}
	}
	return s
}

// withSpectrum is a dense symmetric matrix of the given eigenvalues, Q·D·Qᵀ for
// a product Q of two random reflections: matrices of one seed commute.
func withSpectrum(seed uint64, values []float64) []float64 {
	d := len(values)
	s := make([]float64, d*d)
	for i, v := range values {
		s[i*d+i] = v
	}
	for q := range uint64(2) {
		v := normals(seed+q, d)
		norm2 := 0.0
		for _, x := range v {
			norm2 += x * x
		}
		p, vp := make([]float64, d), 0.0 // S·v and vᵀ·S·v
		for i := range d {
			for j, x := range v {
				p[i] += s[i*d+j] * x
			}
			vp += v[i] * p[i]
		}
		for i := range d { // (I - 2vvᵀ/‖v‖²)·S·(I - 2vvᵀ/‖v‖²)
			for j := range d {
				s[i*d+j] += 2/norm2*(2/norm2*vp*v[i]*v[j]) - 2/norm2*(v[i]*p[j]+p[i]*v[j])
			}
		}
	}
	Mirror(s, d)
	return s
}

// geometric is n values from 1 down to last.
func geometric(n int, last float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = math.Pow(last, float64(i)/float64(max(n-1, 1)))
	}
	return x
}

func checkNear(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v: off by %.2g, more than %.2g", what, got, want, got-want, tolerance)
	}
}

func checkSame(t *testing.T, what string, got, want []float64) {
	t.Helper()
	for i := range want {
		if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
			t.Fatalf("%s[%d] is %v, want the bits of %v", what, i, got[i], want[i])
		}
	}
}

func TestWorkersChangeNoBit(t *testing.T) {
	const d = sharedRows + 70
	a, b := gram(1, 60, d), gram(2, 30, d)
	compute := func(s *kernel.Set, workers int) (all []float64) {
		tm := &team{kernels: s, workers: workers}
		c := make([]float64, d*d)
		tm.mul(c, a, b, d)
		all = append(all, c...)
		clear(c)
		addGram(tm, c, normals(3, 300*d), 300, d)
		Mirror(c, d)
		all = append(all, c...)
		values, err := tm.eigenvaluesOf(c, d)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, values...)
		trace, err := tm.traceSqrtProduct(c, a, d)
		if err != nil {
			t.Fatal(err)
		}
		return append(all, trace)
	}
	s := kernel.Best()
	want := compute(s, 1)
	for _, workers := range []int{2, 5} {
		checkSame(t, fmt.Sprintf("with %d workers: values", workers), compute(s, workers), want)
	}
}
