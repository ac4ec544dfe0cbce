package kernel

import (
	"math"
	"testing"
)

// Rounding to bfloat16 is to nearest even; infinities and NaNs survive. Sets
// may flush subnormal numbers.
func TestCellsAreRoundedToNearestEven(t *testing.T) {
	x := normals(1, 75, 0, 3)
	for _, bits := range []uint32{
		0x3f800000, 0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7f7fffff, 0xff7fffff,
		0x7f800000, 0xff800000, 0x7fc00000, 0x7fffffff, 0x7f800001, 0xffffffff, 0, 0x80000000,
	} {
		x = append(x, math.Float32frombits(bits))
	}
	check := func(t *testing.T, what string, got, want float32) {
		t.Helper()
		if got != want && !(got != got && want != want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	rounded := inBF16(x[:75])
	onAllSets(t, func(t *testing.T, s *Set) {
		g := s.In(BF16).gemm
		for n := range len(x) + 1 {
			cells, fence := fenced(poison((n + 1) / 2))
			g.narrow(cells, x[:n])
			fence(t, "narrow")
			for i := range n / 2 * 2 {
				low, high := halves(cells[i/2])
				got := []float32{low, high}[i%2]
				_, want := halves(pair(0, x[i]))
				check(t, "narrow", got, want)
				if i < len(rounded) {
					check(t, "narrow, by math/big", got, rounded[i])
				}
			}
		}
		other := normals(2, len(x), 0, 1)
		for n := 1; n <= len(x); n++ {
			cells, fence := fenced(poison(n))
			g.zip(cells, x[:n], other[:n])
			fence(t, "zip")
			for i, cell := range cells {
				low, high := halves(cell)
				_, wantLow := halves(pair(0, x[i]))
				check(t, "zip, low", low, wantLow)
				check(t, "zip, high", high, inBF16(other[i : i+1])[0])
			}
		}
	})
}
