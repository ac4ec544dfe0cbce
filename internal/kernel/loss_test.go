package kernel

import (
	"math"
	"testing"
)

// TestCrossEntropy: two rows worked out by hand, logits too large for exp, and
// the slope against differences.
func TestCrossEntropy(t *testing.T) {
	y := []float32{0, 0, 0, 0, 1000, 0, 990, -1000}
	labels := []float32{2, 2}
	dy, loss := make([]float32, len(y)), make([]float64, 2)
	CrossEntropy(dy, y, labels, 2, 0.5, loss)
	if want := math.Log(4); math.Abs(loss[0]-want) > 1e-12 {
		t.Errorf("the loss of equal logits is %v, want log 4", loss[0])
	}
	if want := 10 + math.Log1p(math.Exp(-10)); math.Abs(loss[1]-want) > 1e-12 {
		t.Errorf("the loss of a label 10 below the top is %v, want %v", loss[1], want)
	}
	checkClose(t, "dy", dy[:4], []float64{0.125, 0.125, -0.375, 0.125}, 1e-7)

	x := normals(1, 10, 0, 3)
	slope, one := make([]float32, 10), make([]float64, 1)
	CrossEntropy(slope, x, []float32{7}, 1, 1, one)
	for j := range x {
		at := func(d float32) float64 {
			moved := append([]float32(nil), x...)
			moved[j] += d
			CrossEntropy(nil, moved, []float32{7}, 1, 1, one)
			return one[0]
		}
		const h = 1.0 / 256 // exact in float32
		if want := (at(h) - at(-h)) / (2 * h); math.Abs(float64(slope[j])-want) > 1e-4 {
			t.Errorf("slope %d is %v, differences give %v", j, slope[j], want)
		}
	}
}
