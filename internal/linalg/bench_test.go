package linalg

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// features are rows of d correlated values, in float64.
func features(seed uint64, rows, d int) []float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float64, rows*d)
	for i := range rows {
		common := r.NormFloat64()
		for j := range d {
			x[i*d+j] = r.NormFloat64()*(0.1+float64(j%13)) + common
		}
	}
	return x
}

// covariance is the unbiased covariance of rows of d features.
func covariance(x []float64, rows, d, workers int) []float64 {
	centred := append([]float64(nil), x...)
	mean := make([]float64, d)
	for i := range rows {
		for j := range d {
			mean[j] += x[i*d+j] / float64(rows)
		}
	}
	for i := range rows {
		for j := range d {
			centred[i*d+j] -= mean[j]
		}
	}
	c := make([]float64, d*d)
	AddGram(c, centred, rows, d, workers)
	for i := range c {
		c[i] /= float64(rows - 1)
	}
	Mirror(c, d)
	return c
}

func BenchmarkLinalg(b *testing.B) {
	workers := runtime.GOMAXPROCS(0)
	for _, d := range []int{512, 2048} {
		n := float64(d)
		x, y := features(1, 2048, d), features(2, 2*d+100, d)
		s1, s2 := covariance(y, 2*d+100, d, workers), covariance(x, 2048, d, workers)
		c := make([]float64, d*d)
		bench := func(name string, flops float64, f func()) {
			b.Run(fmt.Sprintf("%s/%d", name, d), func(b *testing.B) {
				for b.Loop() {
					f()
				}
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
		bench("Mul", 2*n*n*n, func() { Mul(c, s1, s2, d, workers) })
		bench("AddGram", 2048*n*n, func() { AddGram(c, x, 2048, d, workers) })
		bench("Mirror", 0, func() { Mirror(c, d) })
		bench("Load", 0, func() { _, _, _ = load("", s1, d) })
		s, _, err := load("", s1, d)
		if err != nil {
			b.Fatal(err)
		}
		bench("Cholesky", n*n*n/3, func() { newTeam(workers).factorize(s) })
		bench("Tridiagonalize", 4*n*n*n/3, func() {
			work := s
			work.at = append([]float64(nil), s.at...)
			newTeam(workers).tridiagonalize(work)
		})
		bench("Eigenvalues", 4*n*n*n/3, func() { _, _ = Eigenvalues(s1, d, workers) })
		bench("TraceSqrtProduct", 0, func() { _, _ = TraceSqrtProduct(s1, s2, d, workers) })
		bench("FID", 0, func() {
			_, _ = TraceSqrtProduct(s1, covariance(x, 2048, d, workers), d, workers)
		})
	}
}
