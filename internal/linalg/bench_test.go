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

// BenchmarkLinalg measures each piece on all cores; GFLOP/s count the least
// number of operations that the textbook algorithm takes.
func BenchmarkLinalg(b *testing.B) {
	for _, d := range []int{512, 2048} {
		b.Run(fmt.Sprint(d), func(b *testing.B) { benchPieces(b, d) })
	}
}

func benchPieces(b *testing.B, d int) {
	const rows = 2048
	workers := runtime.GOMAXPROCS(0)
	x, c, n := features(1, rows, d), make([]float64, d*d), float64(d)
	s1, s2 := covariance(features(2, 2*d+100, d), 2*d+100, d, workers), covariance(x, rows, d, workers)
	run := func(name string, flops float64, f func() error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			if flops > 0 {
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			}
		})
	}
	run("Mul", 2*n*n*n, func() error { Mul(c, s1, s2, d, workers); return nil })
	run("AddGram", rows*n*n, func() error { AddGram(c, x, rows, d, workers); return nil })
	run("Mirror", 0, func() error { Mirror(c, d); return nil })
	run("Cholesky", n*n*n/3, func() error { _, _, err := newTeam(workers).factorize("", s1, d); return err })
	s := newSquare(d)
	run("Tridiagonalize", 4*n*n*n/3, func() error {
		_, err := newTeam(workers).load(s, "", s1)
		newTeam(workers).tridiagonalize(s)
		return err
	})
	run("Eigenvalues", 4*n*n*n/3, func() error { _, err := Eigenvalues(s1, d, workers); return err })
	run("TraceSqrtProduct", 0, func() error { _, err := TraceSqrtProduct(s1, s2, d, workers); return err })
	run("CovarianceAndTrace", 0, func() error {
		_, err := TraceSqrtProduct(s1, covariance(x, rows, d, workers), d, workers)
		return err
	})
	Mul(c, s1, s2, d, workers)
	run("TraceSqrtNewtonSchulz", 0, func() error { _, err := TraceSqrtNewtonSchulz(c, d, 100, 1e-6, workers); return err })
}
