package kernel

import (
	"math"
	"testing"
)

// oddLengths are no multiples of a vector's width, and longer than a block.
var oddLengths = []int{1, 3, 8, 13, 67, 1023, block - 1, block + 9, 2*block + 17}

func TestAddAndCombine(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, n := range oddLengths {
			x, y, z := normals(1, n, 0, 1), normals(2, n, 0, 1), normals(3, n, 0, 1)
			sum, one, two, three := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
			const a, b, c = 1.5, -0.25, 3
			for i := range n {
				xi, yi, zi := float64(x[i]), float64(y[i]), float64(z[i])
				sum[i], one[i], two[i], three[i] = xi+yi, a*xi, a*xi+b*yi, a*xi+b*yi+c*zi
			}
			got := poison(n)
			s.Add(got, x, y)
			checkClose(t, "add", got, sum, 1e-7)
			to := append([]float32(nil), x...)
			s.AddTo(to, y)
			checkSame(t, "addto", to, got)
			got = poison(n)
			s.Combine(got, a, x, b, nil, c, nil)
			checkClose(t, "a·x", got, one, 1e-7)
			got = poison(n)
			s.Combine(got, a, x, b, y, c, nil)
			checkClose(t, "a·x+b·y", got, two, 2e-7)
			s.Combine(got, a, x, c, nil, b, y)
			checkClose(t, "a·x+c·z", got, two, 2e-7)
			got = append([]float32(nil), z...)
			s.Combine(got, a, x, b, y, c, got)
			checkClose(t, "a·x+b·y+c·z", got, three, 3e-7)
		}
	})
}

func TestSumSquares(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, n := range append(oddLengths, 0) {
			x := normals(1, n, 0, 1)
			want := 0.0
			for _, v := range doubles(x) {
				want += v * v
			}
			if got := s.SumSquares(x); math.Abs(got-want) > 1e-12*want {
				t.Errorf("%d values: %v, want %v", n, got, want)
			}
		}
	})
}

func TestAllFinite(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, n := range oddLengths {
			x := normals(1, n, 0, 1)
			x[0] = -math.MaxFloat32
			if !s.AllFinite(x) {
				t.Fatalf("%d finite values are called infinite", n)
			}
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				for _, i := range []int{0, n / 2, n - 1} {
					old := x[i]
					x[i] = float32(bad)
					if s.AllFinite(x) {
						t.Fatalf("%v at %d of %d is called finite", bad, i, n)
					}
					x[i] = old
				}
			}
		}
		if !s.AllFinite(nil) {
			t.Error("nothing is called infinite")
		}
	})
}

func TestSquaredError(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, size := range oddLengths {
			const n, scale = 3, 0.125
			y, target := normals(1, n*size, 0, 1), normals(2, n*size, 0, 1)
			dy, loss, weights := poison(n*size), []float64{-1, -1, -1}, []float32{1, 0, 0.75}
			s.SquaredError(dy, y, target, n, size, scale, weights, loss)
			slope := make([]float64, n*size)
			for i := range n {
				want := 0.0
				for j := i * size; j < (i+1)*size; j++ {
					e := float64(y[j]) - float64(target[j])
					want += float64(weights[i]) * e * e
					slope[j] = 2 * scale * float64(weights[i]) * e
				}
				if math.Abs(loss[i]-want) > 1e-6*want {
					t.Errorf("loss of image %d of %d values is %v, want %v", i, size, loss[i], want)
				}
			}
			checkClose(t, "dy", dy, slope, 2e-7)
			alone := []float64{-1}
			s.SquaredError(nil, y[2*size:], target[2*size:], 1, size, scale, weights[2:], alone)
			if alone[0] != loss[2] {
				t.Errorf("image 2 alone loses %v, in the batch %v", alone[0], loss[2])
			}
		}
	})
}
