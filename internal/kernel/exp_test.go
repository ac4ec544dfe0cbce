package kernel

import (
	"math"
	"testing"
)

func TestExp2IsAccurate(t *testing.T) {
	worst := 0.0
	for x := -126.0; x <= 127; x += 1.0 / 512 / 3 {
		worst = max(worst, math.Abs(float64(exp2(x))/math.Exp2(x)-1))
	}
	if worst > 2.5e-7 {
		t.Errorf("relative error %.2g", worst)
	}
	if y := exp2(math.NaN()); y == y {
		t.Errorf("exp2(NaN) is %v", y)
	}
}

// sigmoid64 and the like are the references of what the kernels compute.
func sigmoid64(u float64) float64 { return 1 / (1 + math.Exp(-u)) }
func silu64(u float64) float64    { return u * sigmoid64(u) }
func siluSlope64(u float64) float64 {
	s := sigmoid64(u)
	return s * (1 + u*(1-s))
}

func TestSiLU(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, n := range []int{1, 7, 8, 9, 31, 1000, 16389, 33001} {
			x, dy := normals(1, n, 0, 4), normals(2, n, 0, 1)
			y, dx := poison(n+1), poison(n+1)
			s.SiLU(y[:n], x)
			s.SiLUBackward(dx[:n], dy, x)
			want, slope := make([]float64, n), make([]float64, n)
			for i, u := range doubles(x) {
				want[i], slope[i] = silu64(u), float64(dy[i])*siluSlope64(u)
			}
			checkClose(t, "y", y[:n], want, 4e-7)
			checkClose(t, "dx", dx[:n], slope, 1e-6)
			if y[n] == y[n] || dx[n] == dx[n] {
				t.Fatalf("wrote beyond %d values", n)
			}
		}
	})
}

// TestSigmoidIsRelativelyAccurate looks at silu where it is tiny, too.
func TestSigmoidIsRelativelyAccurate(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		var x []float32
		for u := float32(-80); u <= 80; u += 1.0 / 64 {
			x = append(x, u+1e-3)
		}
		y := poison(len(x))
		s.SiLU(y, x)
		for i, u := range doubles(x) {
			if e := math.Abs(float64(y[i])/silu64(u) - 1); !(e < 1.5e-6) {
				t.Fatalf("silu(%v) is %v, relative error %.2g", u, y[i], e)
			}
		}
	})
}

func TestSiLUAtExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	onAllSets(t, func(t *testing.T, s *Set) {
		x := []float32{-100, 100, -1e30, 1e30, -math.MaxFloat32, math.MaxFloat32, 0, 88.5, -88.5, inf, nan}
		y, dx := poison(len(x)), poison(len(x))
		one := make([]float32, len(x))
		for i := range one {
			one[i] = 1
		}
		s.SiLU(y, x)
		s.SiLUBackward(dx, one, x)
		for i, u := range x[:9] {
			if want := max(float64(u), 0); math.Abs(float64(y[i])-want) > 1e-6*want+1e-5 && math.Abs(float64(u)) < 1000 {
				t.Errorf("silu(%v) is %v", u, y[i])
			}
			if y[i] != y[i] || dx[i] != dx[i] || math.IsInf(float64(y[i]), 0) {
				t.Errorf("silu(%v) is %v with slope %v", u, y[i], dx[i])
			}
		}
		if y[9] != inf || y[10] == y[10] || dx[10] == dx[10] {
			t.Errorf("silu of Inf and NaN is %v, slope of NaN %v", y[9:], dx[10])
		}
	})
}
