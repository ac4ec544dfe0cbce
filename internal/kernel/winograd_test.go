package kernel

import (
	"math"
	"testing"
)

// tileShapes end in the middle of tiles, of groups of them and of vectors, with
// every padding.
var tileShapes = []Conv{
	{N: 3, H: 28, W: 28, Cin: 16, Cout: 17, Window: Square(3), Stride: 1},
	{N: 2, H: 14, W: 14, Cin: 33, Cout: 48, Window: Square(3), Stride: 1},
	{N: 5, H: 7, W: 6, Cin: 64, Cout: 65, Window: Square(3), Stride: 1},
	{N: 9, H: 4, W: 4, Cin: 100, Cout: 31, Window: Square(3), Stride: 1},
	{N: 2, H: 13, W: 10, Cin: 24, Cout: 40, Window: Valid(3, 3), Stride: 1},
	{N: 2, H: 9, W: 11, Cin: 40, Cout: 24, Window: Window{3, 3, 2, 2}, Stride: 1},
	{N: 2, H: 6, W: 5, Cin: 20, Cout: 20, Window: Window{3, 3, 2, 0}, Stride: 1},
	{N: 2, H: 3, W: 8, Cin: 20, Cout: 20, Window: Window{3, 3, 0, 1}, Stride: 1},
}

// Each of them is computed by tiles, or the tests of convolutions would not
// test those.
func TestTileShapesAreTiled(t *testing.T) {
	for _, c := range tileShapes {
		onAllSets(t, func(t *testing.T, s *Set) {
			if !s.In(FP32).tiled(c) {
				t.Errorf("%v is not computed by tiles", c)
			}
		})
	}
}

// Rounding errors of tiles are some twice those of plain sums in float32, in
// root mean square.
func TestTilesRoundLittleMoreThanPlainSums(t *testing.T) {
	c := Conv{N: 2, H: 28, W: 28, Cin: 64, Cout: 64, Window: Square(3), Stride: 1}
	l := newTrialLayer(1, c)
	y, dw := make([]float64, len(l.dy)), make([]float64, len(l.w))
	l.terms(func(yi, xi, wi int) {
		for ci := range l.Cin {
			x := float64(l.x[xi+ci])
			for co := range l.Cout {
				y[yi+co] += x * float64(l.w[wi+ci*l.Cout+co])
				dw[wi+ci*l.Cout+co] += x * float64(l.dy[yi+co])
			}
		}
	})
	onAllSets(t, func(t *testing.T, s *Set) {
		plain := s.In(FP32)
		plain.tiles = nil
		gotY, gotDW := l.pass(s.In(FP32))
		plainY, plainDW := l.pass(plain)
		for _, r := range []struct {
			name         string
			tiled, plain float64
		}{{"y", rms(gotY, y), rms(plainY, y)}, {"dw", rms(gotDW, dw), rms(plainDW, dw)}} {
			t.Logf("%s: %.2g by tiles, %.2g by plain sums", r.name, r.tiled, r.plain)
			if r.tiled == r.plain || r.tiled > 3*r.plain {
				t.Errorf("%s: errors of %.2g by tiles, %.2g by plain sums", r.name, r.tiled, r.plain)
			}
		}
	})
}

// pass is the output and the gradient of the weights.
func (l *trialLayer) pass(s *Set) (y, dw []float32) {
	ws, p := NewPoisonedWorkspace(), s.NewPacked(l.Conv, false)
	s.Pack(p, l.w)
	y, dw = poison(len(l.dy)), make([]float32, len(l.w))
	s.ConvForward(ws, y, l.x, p, Start{}, l.Conv)
	s.ConvBackwardWeights(ws, dw, nil, l.x, l.dy, l.Conv)
	return y, dw
}

// rms is the root mean square of got's errors.
func rms(got []float32, want []float64) float64 {
	var sum float64
	for i, w := range want {
		sum += math.Pow(float64(got[i])-w, 2)
	}
	return math.Sqrt(sum / float64(len(want)))
}
