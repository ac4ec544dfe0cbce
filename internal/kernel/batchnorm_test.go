package kernel

import (
	"fmt"
	"testing"
)

// TestBatchNorm: the norm is GroupNorm's definition with a channel a group and
// the batch an image; the bend is put around it after its own.
func TestBatchNorm(t *testing.T) {
	const eps = 1e-5
	general := Leaky{Slope: 0.1, Shift: -0.4}
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, d := range []struct{ rows, c int }{{2, 10}, {7, 3}, {64, 512}, {5000, 16}, {3333, 20}, {1300, 64}} {
			for _, l := range []Leaky{{Slope: 1}, general} {
				t.Run(fmt.Sprint(d, l), func(t *testing.T) { checkBatchNorm(t, s, d.rows, d.c, eps, l) })
			}
		}
	})
}

func checkBatchNorm(t *testing.T, s *Set, rows, c int, eps float64, l Leaky) {
	n := rows * c
	x, dy, from := normals(1, n, 0.3, 2), normals(2, n, 0, 1), normals(3, n, 0, 1)
	gamma, beta := normals(4, c, 1, 0.3), normals(5, c, 0, 1)
	u := groupNorm64(x, dy, gamma, beta, rows, c, c, eps, false)
	y, du := make([]float64, n), make([]float32, n)
	for i, v := range u.y {
		slope := 1.0
		if v <= 0 {
			slope = float64(l.Slope)
		}
		y[i] = v*slope + float64(l.Shift)
		du[i] = float32(float64(dy[i]) * slope)
	}
	want := groupNorm64(x, du, gamma, beta, rows, c, c, eps, false)

	ws := NewPoisonedWorkspace()
	got, mean, rstd := append([]float32(nil), x...), poison(c), poison(c)
	s.BatchNorm(ws, got, mean, rstd, got, gamma, beta, rows, c, float32(eps), l)
	checkClose(t, "y", got, y, 2e-6)
	checkClose(t, "mean", mean, u.mean, 1e-6)
	checkClose(t, "rstd", rstd, u.rstd, 1e-6)

	dgamma, dbeta := make([]float32, c), make([]float32, c)
	dx := append([]float32(nil), dy...)
	s.BatchNormBackward(ws, dx, dgamma, dbeta, dx, x, got, mean, rstd, gamma, from, rows, c, l)
	for i := range want.dx {
		want.dx[i] += float64(from[i])
	}
	checkClose(t, "dx", dx, want.dx, 5e-6)
	checkClose(t, "dgamma", dgamma, want.dgamma, 5e-6)
	checkClose(t, "dbeta", dbeta, want.dbeta, 5e-6)
}

func TestLeaky(t *testing.T) {
	l := Leaky{Slope: 0.1, Shift: -0.4}
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, n := range oddLengths {
			x, dy := normals(1, n, 0, 1), normals(2, n, 0, 1)
			y, dx := make([]float64, n), make([]float64, n)
			for i, v := range doubles(x) {
				slope := 1.0
				if v < 0 {
					slope = 0.1
				}
				y[i], dx[i] = v*slope-0.4, float64(dy[i])*slope
			}
			got, back := poison(n), poison(n)
			s.Leaky(got, x, l)
			checkClose(t, "y", got, y, 1e-7)
			s.LeakyBackward(back, dy, got, l)
			checkClose(t, "dx", back, dx, 1e-7)
		}
	})
}
