package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// onAllSets runs a test on every kernel set of this machine, and on tiles in Go.
func onAllSets(t *testing.T, f func(t *testing.T, s *Set)) {
	for _, s := range append(Sets(), tilesInGo()) {
		t.Run(s.Name(), func(t *testing.T) { f(t, s) })
	}
}

// onAllPrecisions runs a test on every kernel set in every precision.
func onAllPrecisions(t *testing.T, f func(t *testing.T, s *Set)) {
	onAllSets(t, func(t *testing.T, s *Set) {
		t.Run("fp32", func(t *testing.T) { f(t, s.In(FP32)) })
		t.Run("bf16", func(t *testing.T) { f(t, s.In(BF16)) })
	})
}

// normals returns n values of N(mean, deviation²), the same for the same seed.
func normals(seed uint64, n int, mean, deviation float64) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(mean + deviation*r.NormFloat64())
	}
	return x
}

// poison returns n NaNs, for outputs that a kernel must write in full.
func poison(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

// doubles converts x exactly.
func doubles(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// checkClose fails unless |got−want| ≤ tolerance·max(1, max|want|) everywhere.
func checkClose(t *testing.T, name string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	size := 1.0
	for _, w := range want {
		size = max(size, math.Abs(w))
	}
	for i, w := range want {
		if e := math.Abs(float64(got[i]) - w); !(e <= tolerance*size) {
			t.Fatalf("%s[%d] is %v, want %v: off by %.2g, more than %.2g", name, i, got[i], w, e, tolerance*size)
		}
	}
}

// checkSame fails unless the bits of got and want agree.
func checkSame(t *testing.T, name string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s[%d] is %v, want the bits of %v", name, i, got[i], want[i])
		}
	}
}
