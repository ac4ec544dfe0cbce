package linalg

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func TestMulAgainstGonum(t *testing.T) {
	onAllTeams(t, func(t *testing.T, team *team) {
		for _, d := range []int{1, 7, 25, 131, 301} { // below and beyond a tile, a task, a block of terms
			a, b, c := normals(1, d*d), normals(2, d*d), make([]float64, d*d)
			c[0] = math.NaN() // what was there does not count
			team.mul(c, a, b, d)
			var want mat.Dense
			want.Mul(mat.NewDense(d, d, a), mat.NewDense(d, d, b))
			for i, w := range want.RawMatrix().Data {
				if !(math.Abs(c[i]-w) <= 1e-13*float64(d)) {
					t.Fatalf("%d: C[%d] is %v, want %v", d, i, c[i], w)
				}
			}
		}
	})
}

func TestAddGramAgainstGonum(t *testing.T) {
	onAllTeams(t, func(t *testing.T, team *team) {
		for _, shape := range [][2]int{{0, 3}, {1, 1}, {9, 31}, {257, 40}, {300, 301}} {
			rows, d := shape[0], shape[1]
			x, c := normals(1, rows*d), normals(2, d*d)
			want := mat.NewDense(d, d, append([]float64(nil), c...))
			if rows > 0 {
				var product mat.Dense
				m := mat.NewDense(rows, d, x)
				product.Mul(m.T(), m)
				want.Add(want, &product)
			}
			addGram(team, c, x, rows, d)
			for i := range d {
				for j := i; j < d; j++ {
					checkNear(t, fmt.Sprintf("%d×%d: C[%d,%d]", rows, d, i, j), c[i*d+j], want.At(i, j), 1e-13*float64(rows+1))
				}
			}
		}
	})
}

func TestAddGramWidensFloat32(t *testing.T) {
	const rows, d = 300, 37
	narrow, wide := make([]float32, rows*d), make([]float64, rows*d)
	for i, v := range normals(1, rows*d) {
		narrow[i] = float32(v)
		wide[i] = float64(narrow[i])
	}
	got, want := make([]float64, d*d), make([]float64, d*d)
	AddGram(got, narrow, rows, d, 2)
	AddGram(want, wide, rows, d, 2)
	Mirror(got, d)
	Mirror(want, d)
	checkSame(t, "C", got, want)
}

func TestMirror(t *testing.T) {
	for _, d := range []int{1, 5, tileSide, 2*tileSide + 3} {
		c := normals(1, d*d)
		want := append([]float64(nil), c...)
		for i := range d {
			for j := range i {
				want[i*d+j] = want[j*d+i]
			}
		}
		Mirror(c, d)
		checkSame(t, fmt.Sprintf("%d: C", d), c, want)
	}
}
