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
			for _, offset := range []int{0, 5, m} {
				checkDots(t, fmt.Sprintf("%s %v, %d", k.Name(), s, offset), left, right, offset, x, y)
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

func checkDots(t *testing.T, name string, left, right *Rows, offset int, x, y []float32) {
	t.Helper()
	size, ld := DotsSize(left, right)
	c, d := make([]float64, size), left.dim
	for i := range c {
		c[i] = math.NaN()
	}
	Dots(c, left, right, offset)
	for i := range left.n {
		for j := max(0, i-offset+1); j < right.n; j++ {
			want := 0.0
			for q := range d {
				want += float64(x[i*d+q]) * float64(y[j*d+q])
			}
			checkNear(t, fmt.Sprintf("%s: product %d, %d", name, i, j), c[i*ld+j], want, 1e-14*float64(d))
		}
		if i < offset {
			checkSame(t, "the first and the last", c[i*ld:][:1], c[i*ld+right.n-1:][:1])
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
