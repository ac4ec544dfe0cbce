package linalg

import (
	"fmt"
	"math"
	"testing"

	"diffuse/internal/kernel"
)

// Inner products around the sizes of tiles and blocks, in memory that held
// others before; a row's product does not depend on where it stands.
func TestDots(t *testing.T) {
	for _, k := range kernel.Sets() {
		left, right := NewLeft(), NewRight()
		for _, s := range [][3]int{{150, 60, 300}, {1, 1, 1}, {7, 13, 5}, {130, 25, 256}, {3, 49, 257}, {9, 9, 520}} {
			m, n, d := s[0], s[1], s[2]
			x, y := make([]float32, m*d), make([]float32, n*d)
			for i, v := range normals(1, len(x)) {
				x[i] = float32(v)
			}
			for i, v := range normals(2, len(y)) {
				y[i] = float32(v)
			}
			copy(y[(n-1)*d:], y[:d]) // a row twice
			left.load(k, x, d)
			right.load(k, y, d)
			size, ld := DotsSize(left, right)
			c := make([]float64, size)
			for i := range c {
				c[i] = math.NaN()
			}
			rows := (m + 1) / 2
			Dots(c, left, rows, right)
			for i := range rows {
				for j := range n {
					want := 0.0
					for q := range d {
						want += float64(x[i*d+q]) * float64(y[j*d+q])
					}
					checkNear(t, fmt.Sprintf("%s %v: product %d, %d", k.Name(), s, i, j), c[i*ld+j], want, 1e-14*float64(d))
				}
				checkSame(t, "the first and the last", c[i*ld:][:1], c[i*ld+n-1:][:1])
			}
			for i, got := range left.Squares {
				want := 0.0
				for _, v := range x[i*d:][:d] {
					want += float64(v) * float64(v)
				}
				checkNear(t, fmt.Sprintf("%s %v: square %d", k.Name(), s, i), got, want, 1e-14*float64(d))
			}
		}
	}
}

// Squares tell rows that are not finite from those that are only large.
func TestSquaresTellNotFinite(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, v := range []float32{inf, -inf, float32(math.NaN()), math.MaxFloat32} {
		x := []float32{1, 2, 3, 4, v, 6}
		r := NewLeft()
		r.Load(x, 3)
		if r.Squares[0] != 14 || (r.Squares[1]-r.Squares[1] == 0) != (v == math.MaxFloat32) {
			t.Errorf("of %v: %v", v, r.Squares)
		}
	}
}
