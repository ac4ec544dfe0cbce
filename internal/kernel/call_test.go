package kernel

import "testing"

// Go cannot stop a goroutine within a call of assembly: no call may have more
// to do than the most that was measured to take some 100 µs.
func TestCallsAreShort(t *testing.T) {
	for _, c := range []Conv{
		{N: 2, H: 32, W: 32, Cin: 96, Cout: 32, Window: Square(3), Stride: 1},
		{N: 16, H: 4, W: 4, Cin: 512, Cout: 256, Window: Square(3), Stride: 1},
		{N: 16, H: 8, W: 8, Cin: 1024, Cout: 64, Window: Square(3), Stride: 1}, // by tiles
		{N: 2, H: 4, W: 4, Cin: 1792, Cout: 32, Window: Square(3), Stride: 1},  // cifar10.yaml's widest
		{N: 1, H: 4096, W: 1, Cin: 256, Cout: 32, Window: Square(1), Stride: 1},
		{N: 4, H: 8, W: 8, Cin: 128, Cout: 128, Window: Square(3), Stride: 1, Upsample: true},
		{N: 1, H: 17, W: 17, Cin: 192, Cout: 192, Window: Window{1, 7, 0, 3}, Stride: 1},
		{N: 4, H: 28, W: 28, Cin: 64, Cout: 64, Window: Square(7), Stride: 2},
	} {
		onAllPrecisions(t, func(t *testing.T, s *Set) {
			if s.name == "portable" {
				t.Skip("Go can stop it anywhere")
			}
			calls, g := 0, *s.gemm
			g.multiply = func(a *multiplyArgs) {
				calls++
				if n := len(a.xat) * a.segments * a.length; n > g.most {
					t.Fatalf("%v: %d rows of %d cells in a call, more than %d in all", c, len(a.xat), a.segments*a.length, g.most)
				}
			}
			g.correlate = func(a *correlateArgs) {
				calls++
				if n := len(a.xat) * a.rows; n > g.most {
					t.Fatalf("%v: %d rows of %d pixels in a call, more than %d in all", c, a.rows, len(a.xat), g.most)
				}
			}
			if g.amx != nil {
				g.amx = &amxKernels{rows: g.amx.rows, planes: g.amx.planes, panel: g.amx.panel}
				g.amx.product = func(a *amxProductArgs) {
					calls++
					if n := len(a.xat) * len(a.segments) * a.length; n > g.most {
						t.Fatalf("%v: %d rows of %d cells in a call, more than %d in all", c, len(a.xat), len(a.segments)*a.length, g.most)
					}
				}
				g.amx.gradient = func(a *amxGradientArgs) {
					calls++
					if n := len(a.taps) * a.rows * len(a.at) * tileCells; n > g.most {
						t.Fatalf("%v: %d rows of %d cells in a call, more than %d in all", c, len(a.taps)*a.rows, len(a.at)*tileCells, g.most)
					}
				}
			}
			s = &Set{name: s.name, vec: s.vec, gemm: &g}
			if !g.pairs {
				s.tiles = &g
			}
			h, w := c.Out()
			x, y := make([]float32, c.N*c.H*c.W*c.Cin), make([]float32, c.N*h*w*c.Cout)
			ws, p := NewWorkspace(), s.NewPacked(c, true)
			s.ConvForward(ws, y, x, p, Start{}, c)
			s.ConvBackwardData(ws, x, y, p, nil, c)
			s.ConvBackwardWeights(ws, make([]float32, c.Weights()), nil, x, y, c)
			if calls == 0 {
				t.Fatal("nothing was called")
			}
		})
	}
}
