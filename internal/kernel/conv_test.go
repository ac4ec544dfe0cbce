package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// terms calls f with the indices of every product in a convolution's sums, by
// PyTorch's definition of Conv2d with padding Kernel/2, after that of
// interpolate(scale_factor=2, mode="nearest") if c enlarges its input.
func (c Conv) terms(f func(y, x, w int)) {
	h, w := c.Out()
	for n := range c.N {
		for oy := range h {
			for ox := range w {
				for ky := range c.Kernel {
					for kx := range c.Kernel {
						iy, ix := oy*c.Stride+ky-c.Kernel/2, ox*c.Stride+kx-c.Kernel/2
						if iy < 0 || iy >= c.enlarged()*c.H || ix < 0 || ix >= c.enlarged()*c.W {
							continue
						}
						iy, ix = iy/c.enlarged(), ix/c.enlarged()
						for ci := range c.Cin {
							for co := range c.Cout {
								f(((n*h+oy)*w+ox)*c.Cout+co, ((n*c.H+iy)*c.W+ix)*c.Cin+ci, ((ky*c.Kernel+kx)*c.Cin+ci)*c.Cout+co)
							}
						}
					}
				}
			}
		}
	}
}

// reference is sums of products in float64, and of the products' magnitudes:
// the measure of what rounding may do to a sum.
type reference struct{ sum, size []float64 }

func newReference(start []float32) reference {
	r := reference{doubles(start), doubles(start)}
	for i, v := range r.size {
		r.size[i] = math.Abs(v)
	}
	return r
}

func (r reference) add(i int, a, b float32) {
	product := float64(a) * float64(b)
	r.sum[i] += product
	r.size[i] += math.Abs(product)
}

// check allows an error of 1e-6 of the sum of magnitudes: rounding errors of
// float32 sums of up to 10,000 random terms stay well below.
func (r reference) check(t *testing.T, name string, got []float32) {
	t.Helper()
	for i, want := range r.sum {
		if e := math.Abs(float64(got[i]) - want); !(e <= 1e-6*r.size[i]) {
			t.Fatalf("%s[%d] is %v, want %v: off by %.2g, more than %.2g", name, i, got[i], want, e, 1e-6*r.size[i])
		}
	}
}

// fenced returns a copy of s between stretches of memory that nobody may
// write to, and a check that nobody did.
func fenced(s []float32) (inside []float32, check func(t *testing.T, name string)) {
	const fence, mark = 40, 12345.5
	all := make([]float32, len(s)+2*fence)
	for i := range all {
		all[i] = mark
	}
	copy(all[fence:], s)
	return all[fence:][:len(s):len(s)], func(t *testing.T, name string) {
		t.Helper()
		for i, v := range all {
			if (i < fence || i >= fence+len(s)) && v != mark {
				t.Fatalf("%s: wrote %v outside, at %d of %d", name, v, i-fence, len(s))
			}
		}
	}
}

// convShapes are the kinds of layers of a U-Net, at sizes that end in the
// middle of every block, and random ones.
func convShapes() []Conv {
	shapes := []Conv{
		{N: 3, H: 5, W: 7, Cin: 1, Cout: 32, Kernel: 3, Stride: 1},
		{N: 1, H: 32, W: 32, Cin: 32, Cout: 17, Kernel: 3, Stride: 1}, // more rows than a call takes
		{N: 2, H: 9, W: 9, Cin: 32, Cout: 1, Kernel: 3, Stride: 1},
		{N: 9, H: 4, W: 4, Cin: 400, Cout: 16, Kernel: 3, Stride: 1}, // a segment in four parts
		{N: 2, H: 8, W: 8, Cin: 192, Cout: 24, Kernel: 3, Stride: 1},
		{N: 3, H: 8, W: 8, Cin: 128, Cout: 40, Kernel: 3, Stride: 2},
		{N: 2, H: 7, W: 9, Cin: 20, Cout: 20, Kernel: 3, Stride: 2},
		{N: 1, H: 5, W: 3, Cin: 70, Cout: 70, Kernel: 3, Stride: 1}, // several panels of every set
		{N: 2, H: 1, W: 1, Cin: 5, Cout: 6, Kernel: 3, Stride: 2},
		{N: 2, H: 1, W: 2, Cin: 3, Cout: 2, Kernel: 3, Stride: 1},
		{N: 1, H: 301, W: 1, Cin: 64, Cout: 24, Kernel: 1, Stride: 1}, // a linear layer
		{N: 1, H: 1, W: 1, Cin: 512, Cout: 7, Kernel: 1, Stride: 1},
		{N: 16, H: 4, W: 4, Cin: 384, Cout: 33, Kernel: 1, Stride: 1},
		{N: 3, H: 5, W: 4, Cin: 9, Cout: 8, Kernel: 1, Stride: 2},
	}
	for _, up := range []Conv{
		{N: 1, H: 1, W: 1, Cin: 3, Cout: 2}, {N: 3, H: 2, W: 5, Cin: 20, Cout: 33}, {N: 5, H: 4, W: 4, Cin: 128, Cout: 40}, {N: 2, H: 9, W: 7, Cin: 1, Cout: 1},
	} {
		up.Kernel, up.Stride, up.Upsample = 3, 1, true
		shapes = append(shapes, up)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		shapes = append(shapes, Conv{
			N: 1 + r.IntN(6), H: 1 + r.IntN(9), W: 1 + r.IntN(9), Cin: 1 + r.IntN(50), Cout: 1 + r.IntN(50),
			Kernel: 1 + 2*r.IntN(2), Stride: 1 + r.IntN(2),
		})
	}
	return shapes
}

func (c Conv) String() string {
	name := fmt.Sprintf("%dx%d,%d×%d×%d,%d→%d,stride%d", c.Kernel, c.Kernel, c.N, c.H, c.W, c.Cin, c.Cout, c.Stride)
	if c.Upsample {
		name += ",upsample"
	}
	return name
}

func TestConvAgainstDefinition(t *testing.T) {
	for i, c := range convShapes() {
		t.Run(c.String(), func(t *testing.T) {
			h, w := c.Out()
			seed := uint64(10 * i)
			x, weights := normals(seed, c.N*c.H*c.W*c.Cin, 0, 1), normals(seed+1, c.Weights(), 0, 1)
			dy, bias := normals(seed+2, c.N*h*w*c.Cout, 0, 1), normals(seed+3, c.Cout, 0, 1)
			dw0, db0 := normals(seed+4, c.Weights(), 0, 1), normals(seed+5, c.Cout, 0, 1)

			withBias := make([]float32, len(dy))
			for i := range withBias {
				withBias[i] = bias[i%c.Cout]
			}
			y, yPlain, dx := newReference(withBias), newReference(make([]float32, len(dy))), newReference(make([]float32, len(x)))
			dw, db := newReference(dw0), newReference(db0)
			c.terms(func(yi, xi, wi int) {
				y.add(yi, x[xi], weights[wi])
				yPlain.add(yi, x[xi], weights[wi])
				dx.add(xi, dy[yi], weights[wi])
				dw.add(wi, x[xi], dy[yi])
			})
			for i, d := range dy {
				db.add(i%c.Cout, d, 1)
			}

			onAllSets(t, func(t *testing.T, s *Set) {
				ws := NewPoisonedWorkspace()
				p := s.NewPacked(c, true)
				s.Pack(p, weights)
				out, fence := fenced(poison(len(dy)))
				s.ConvForward(ws, out, x, p, bias, c)
				y.check(t, "y", out)
				fence(t, "y")
				out, fence = fenced(poison(len(dy)))
				s.ConvForward(ws, out, x, p, nil, c)
				yPlain.check(t, "y without bias", out)
				fence(t, "y without bias")
				out, fence = fenced(poison(len(x)))
				s.ConvBackwardData(ws, out, dy, p, c)
				dx.check(t, "dx", out)
				fence(t, "dx")
				out, fence = fenced(dw0)
				sums, fenceSums := fenced(db0)
				s.ConvBackwardWeights(ws, out, sums, x, dy, c)
				dw.check(t, "dw", out)
				fence(t, "dw")
				db.check(t, "db", sums)
				fenceSums(t, "db")
				out, _ = fenced(dw0)
				s.ConvBackwardWeights(ws, out, nil, x, dy, c)
				dw.check(t, "dw without db", out)
			})
		})
	}
}

// An image's result must not depend on its batch, or sampling would not be
// reproducible from one batch size to another.
func TestConvOfAnImageDoesNotDependOnItsBatch(t *testing.T) {
	for i, c := range convShapes() {
		t.Run(c.String(), func(t *testing.T) {
			c.N = 7
			h, w := c.Out()
			in, out := c.H*c.W*c.Cin, h*w*c.Cout
			seed := uint64(1000 + 10*i)
			x, dy := normals(seed, c.N*in, 0, 1), normals(seed+1, c.N*out, 0, 1)
			weights, bias := normals(seed+2, c.Weights(), 0, 1), normals(seed+3, c.Cout, 0, 1)
			onAllSets(t, func(t *testing.T, s *Set) {
				ws := NewWorkspace()
				p := s.NewPacked(c, true)
				s.Pack(p, weights)
				y, dx := poison(len(dy)), poison(len(x))
				s.ConvForward(ws, y, x, p, bias, c)
				s.ConvBackwardData(ws, dx, dy, p, c)
				for first, n := range map[int]int{0: 1, 1: 2, 3: 3, 6: 1} {
					part := c
					part.N = n
					y1, dx1 := poison(n*out), poison(n*in)
					s.ConvForward(ws, y1, x[first*in:][:n*in], p, bias, part)
					s.ConvBackwardData(ws, dx1, dy[first*out:][:n*out], p, part)
					checkSame(t, "y", y1, y[first*out:][:n*out])
					checkSame(t, "dx", dx1, dx[first*in:][:n*in])
				}
			})
		})
	}
}

func TestPackedWithoutGradientHasNoBackwardForm(t *testing.T) {
	c := Conv{N: 1, H: 3, W: 3, Cin: 4, Cout: 5, Kernel: 3, Stride: 1}
	s := Best()
	p := s.NewPacked(c, false)
	if p.backward != nil {
		t.Error("memory spent on a form that is not needed")
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	s.ConvBackwardData(NewWorkspace(), make([]float32, 36), make([]float32, 45), p, c)
}

func TestConvAllocatesNothingOnceWarm(t *testing.T) {
	for _, c := range []Conv{
		{N: 4, H: 8, W: 8, Cin: 24, Cout: 16, Kernel: 3, Stride: 2},
		{N: 4, H: 8, W: 8, Cin: 24, Cout: 16, Kernel: 3, Stride: 1, Upsample: true},
	} {
		onAllSets(t, func(t *testing.T, s *Set) {
			h, w := c.Out()
			ws := NewWorkspace()
			p := s.NewPacked(c, true)
			x, dy := normals(1, c.N*c.H*c.W*c.Cin, 0, 1), normals(2, c.N*h*w*c.Cout, 0, 1)
			y, dx, dw := poison(len(dy)), poison(len(x)), normals(3, c.Weights(), 0, 1)
			n := testing.AllocsPerRun(3, func() {
				s.Pack(p, dw)
				s.ConvForward(ws, y, x, p, nil, c)
				s.ConvBackwardData(ws, dx, dy, p, c)
				s.ConvBackwardWeights(ws, dw, nil, x, dy, c)
			})
			if n != 0 {
				t.Errorf("%v: %v allocations", c, n)
			}
		})
	}
}

// Assembly holds no stack map and may be interrupted anywhere: collections and
// other goroutines must not disturb it, nor it them.
func TestConvUnderGarbageCollection(t *testing.T) {
	c := Conv{N: 4, H: 8, W: 8, Cin: 40, Cout: 24, Kernel: 3, Stride: 1}
	onAllSets(t, func(t *testing.T, s *Set) {
		p := s.NewPacked(c, true)
		s.Pack(p, normals(1, c.Weights(), 0, 1))
		x := normals(2, c.N*c.H*c.W*c.Cin, 0, 1)
		want := poison(c.N * c.H * c.W * c.Cout)
		s.ConvForward(NewWorkspace(), want, x, p, nil, c)
		results := make([][]float32, 4)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				ws := NewWorkspace()
				for range 20 {
					results[i] = poison(len(want))
					s.ConvForward(ws, results[i], append([]float32(nil), x...), p, nil, c)
				}
			})
		}
		for range 20 {
			runtime.GC()
		}
		wg.Wait()
		for _, got := range results {
			checkSame(t, "y", got, want)
		}
	})
}
