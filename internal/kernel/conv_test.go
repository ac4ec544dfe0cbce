package kernel

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// terms calls f with where the channels of an output pixel, an input pixel and
// the weights between them begin, for all that see each other by PyTorch's
// definition of Conv2d, after that of interpolate(scale_factor=2,
// mode="nearest") if c enlarges its input.
func (c Conv) terms(f func(y, x, w int)) {
	h, w := c.Out()
	for n := range c.N {
		for oy := range h {
			for ox := range w {
				for ky := range c.KernelH {
					for kx := range c.KernelW {
						iy, ix := oy*c.Stride+ky-c.PadH, ox*c.Stride+kx-c.PadW
						if iy < 0 || iy >= c.enlarged()*c.H || ix < 0 || ix >= c.enlarged()*c.W {
							continue
						}
						iy, ix = iy/c.enlarged(), ix/c.enlarged()
						f(((n*h+oy)*w+ox)*c.Cout, ((n*c.H+iy)*c.W+ix)*c.Cin, (ky*c.KernelW+kx)*c.Cin*c.Cout)
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

func (r reference) add(i int, term float64) {
	r.sum[i] += term
	r.size[i] += math.Abs(term)
}

// from is r started from start.
func (r reference) from(start []float32) reference {
	begun := newReference(start)
	for i := range r.sum {
		begun.sum[i] += r.sum[i]
		begun.size[i] += r.size[i]
	}
	return begun
}

// even measures all errors by the largest sum of magnitudes: a tile's values are
// computed from all its inputs, also those that see few because of a border.
func (r reference) even() reference {
	return reference{r.sum, slices.Repeat([]float64{slices.Max(r.size)}, len(r.size))}
}

// check allows an error of a tolerance times the sum of magnitudes. Rounding
// errors of float32 sums of up to 10,000 random terms stay well below 1e-6.
func (r reference) check(t *testing.T, name string, got []float32, tolerance float64) {
	t.Helper()
	for i, want := range r.sum {
		if e := math.Abs(float64(got[i]) - want); !(e <= tolerance*r.size[i]) {
			t.Fatalf("%s[%d] is %v, want %v: off by %.2g, more than %.2g", name, i, got[i], want, e, tolerance*r.size[i])
		}
	}
}

// inBF16 is x as the kernels multiply it in bfloat16: rounded by big.Float,
// which is not ours.
func inBF16(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i], _ = new(big.Float).SetPrec(8).SetMode(big.ToNearestEven).SetFloat64(float64(v)).Float32()
	}
	return y
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
		{N: 3, H: 5, W: 7, Cin: 1, Cout: 32, Window: Square(3), Stride: 1},
		{N: 1, H: 32, W: 32, Cin: 32, Cout: 17, Window: Square(3), Stride: 1}, // more rows than a call takes
		{N: 2, H: 9, W: 9, Cin: 32, Cout: 1, Window: Square(3), Stride: 1},
		{N: 2, H: 6, W: 9, Cin: 40, Cout: 3, Window: Square(3), Stride: 1},
		{N: 3, H: 7, W: 6, Cin: 33, Cout: 2, Window: Window{1, 7, 0, 2}, Stride: 1},
		{N: 9, H: 4, W: 4, Cin: 400, Cout: 16, Window: Square(3), Stride: 1}, // a segment in four parts
		{N: 2, H: 8, W: 8, Cin: 192, Cout: 24, Window: Square(3), Stride: 1},
		{N: 3, H: 8, W: 8, Cin: 128, Cout: 40, Window: Square(3), Stride: 2},
		{N: 2, H: 7, W: 9, Cin: 20, Cout: 20, Window: Square(3), Stride: 2},
		{N: 1, H: 5, W: 3, Cin: 70, Cout: 70, Window: Square(3), Stride: 1}, // several panels of every set
		{N: 2, H: 1, W: 1, Cin: 5, Cout: 6, Window: Square(3), Stride: 2},
		{N: 2, H: 1, W: 2, Cin: 3, Cout: 2, Window: Square(3), Stride: 1},
		{N: 1, H: 301, W: 1, Cin: 64, Cout: 24, Window: Square(1), Stride: 1}, // a linear layer
		{N: 1, H: 1, W: 1, Cin: 512, Cout: 7, Window: Square(1), Stride: 1},
		{N: 16, H: 4, W: 4, Cin: 384, Cout: 33, Window: Square(1), Stride: 1},
		{N: 3, H: 5, W: 4, Cin: 9, Cout: 8, Window: Square(1), Stride: 2},
	}
	shapes = append(shapes, tileShapes...)
	for _, up := range []Conv{
		{N: 1, H: 1, W: 1, Cin: 3, Cout: 2}, {N: 3, H: 2, W: 5, Cin: 20, Cout: 33}, {N: 5, H: 4, W: 4, Cin: 128, Cout: 40}, {N: 2, H: 9, W: 7, Cin: 1, Cout: 1},
	} {
		up.Window, up.Stride, up.Upsample = Square(3), 1, true
		shapes = append(shapes, up)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		shapes = append(shapes, Conv{
			N: 1 + r.IntN(6), H: 1 + r.IntN(9), W: 1 + r.IntN(9), Cin: 1 + r.IntN(50), Cout: 1 + r.IntN(50),
			Window: Square(1 + 2*r.IntN(2)), Stride: 1 + r.IntN(2),
		})
	}
	return append(shapes, windowShapes(r)...)
}

// windowShapes are the windows of a classifier and of InceptionV3, and random
// ones, which may be larger than the image without its padding.
func windowShapes(r *rand.Rand) []Conv {
	shapes := []Conv{
		{N: 3, H: 14, W: 14, Cin: 1, Cout: 16, Window: Square(5), Stride: 1},
		{N: 2, H: 9, W: 11, Cin: 16, Cout: 20, Window: Square(5), Stride: 2},
		{N: 1, H: 19, W: 19, Cin: 3, Cout: 32, Window: Valid(3, 3), Stride: 2},
		{N: 1, H: 12, W: 15, Cin: 32, Cout: 33, Window: Valid(3, 3), Stride: 2}, // the last row is not seen
		{N: 1, H: 17, W: 17, Cin: 32, Cout: 40, Window: Window{1, 7, 0, 3}, Stride: 1},
		{N: 2, H: 7, W: 6, Cin: 300, Cout: 16, Window: Window{7, 1, 3, 0}, Stride: 1},
		{N: 3, H: 8, W: 8, Cin: 30, Cout: 24, Window: Window{1, 3, 0, 1}, Stride: 1},
		{N: 3, H: 8, W: 8, Cin: 24, Cout: 30, Window: Window{3, 1, 1, 0}, Stride: 1},
		{N: 2, H: 9, W: 9, Cin: 8, Cout: 9, Window: Square(7), Stride: 2},
		{N: 2, H: 2, W: 2, Cin: 5, Cout: 9, Window: Valid(2, 2), Stride: 2},
	}
	for range 40 {
		w := Window{KernelH: 1 + r.IntN(maxWindow), KernelW: 1 + r.IntN(maxWindow)}
		w.PadH, w.PadW = r.IntN(w.KernelH), r.IntN(w.KernelW)
		shapes = append(shapes, Conv{
			N: 1 + r.IntN(4), H: max(1, w.KernelH-2*w.PadH) + r.IntN(9), W: max(1, w.KernelW-2*w.PadW) + r.IntN(9),
			Cin: 1 + r.IntN(40), Cout: 1 + r.IntN(40), Window: w, Stride: 1 + r.IntN(2),
		})
	}
	return shapes
}

func TestImpossibleConvolutionsPanic(t *testing.T) {
	fine := Conv{N: 1, H: 4, W: 4, Cin: 1, Cout: 1, Window: Square(3), Stride: 1}
	for name, change := range map[string]func(c *Conv){
		"no window":                  func(c *Conv) { c.Window = Window{} },
		"a window of 8":              func(c *Conv) { c.Window = Window{8, 1, 0, 0} },
		"as much padding as window":  func(c *Conv) { c.PadW = 3 },
		"a window beyond the image":  func(c *Conv) { c.Window = Valid(1, 5) },
		"a stride of 3":              func(c *Conv) { c.Stride = 3 },
		"an enlarged window of five": func(c *Conv) { c.Window, c.Upsample = Square(5), true },
		"no images":                  func(c *Conv) { c.N = 0 },
	} {
		c := fine
		change(&c)
		if !panics(c.check) {
			t.Errorf("%s: no panic", name)
		}
	}
	if panics(fine.check) {
		t.Error("the convolution they are made from panics")
	}
}

func panics(f func()) (does bool) {
	defer func() { does = recover() != nil }()
	f()
	return false
}

func (c Conv) String() string {
	name := fmt.Sprintf("%dx%d,pad%d,%d,%d×%d×%d,%d→%d,stride%d", c.KernelH, c.KernelW, c.PadH, c.PadW, c.N, c.H, c.W, c.Cin, c.Cout, c.Stride)
	if c.Upsample {
		name += ",upsample"
	}
	return name
}

func TestConvAgainstDefinition(t *testing.T) {
	for i, c := range convShapes() {
		t.Run(c.String(), func(t *testing.T) {
			seed := uint64(10 * i)
			l := newTrialLayer(seed, c)
			t.Run("fp32", func(t *testing.T) { l.check(t, FP32, 1e-6) })
			// Operands rounded beforehand have exact products. Where the
			// weights are added up first, their sums are rounded instead.
			tolerance := 1e-6
			if c.Upsample {
				tolerance = 1.0 / 256
			}
			l.x, l.w, l.dy = inBF16(l.x), inBF16(l.w), inBF16(l.dy)
			t.Run("bf16", func(t *testing.T) { l.check(t, BF16, tolerance) })
		})
	}
}

// trialLayer is a convolution and random operands for it.
type trialLayer struct {
	Conv
	x, w, dy, bias, rows, from []float32
	dxFrom, dw, db             []float32 // what gradients are added to
}

func newTrialLayer(seed uint64, c Conv) *trialLayer {
	h, w := c.Out()
	n := func(k uint64, size int) []float32 { return normals(seed+k, size, 0, 1) }
	return &trialLayer{
		Conv: c,
		x:    n(0, c.N*c.H*c.W*c.Cin), w: n(1, c.Weights()), dy: n(2, c.N*h*w*c.Cout),
		bias: n(3, c.Cout), dw: n(4, c.Weights()), db: n(5, c.Cout),
		rows: n(6, c.N*c.Cout), from: n(7, c.N*h*w*c.Cout), dxFrom: n(8, c.N*c.H*c.W*c.Cin),
	}
}

// starts are the ways to begin a convolution, and what each begins with.
func (l *trialLayer) starts() map[string]Start {
	starts := map[string]Start{"plain": {}, "bias": {Bias: l.bias}, "bias and from": {Bias: l.bias, From: l.from}}
	if !l.single() {
		starts["bias and rows"] = Start{Bias: l.bias, Rows: l.rows}
		starts["all"] = Start{Bias: l.bias, Rows: l.rows, From: l.from}
	}
	return starts
}

// begin is the y that start begins with.
func (l *trialLayer) begin(start Start) []float32 {
	y := make([]float32, len(l.dy))
	image := len(y) / l.N
	for i := range y {
		if start.Bias != nil {
			y[i] += start.Bias[i%l.Cout]
		}
		if start.Rows != nil {
			y[i] += start.Rows[i/image*l.Cout+i%l.Cout]
		}
		if start.From != nil {
			y[i] += start.From[i]
		}
	}
	return y
}

// check drives every set in one precision against sums in float64.
func (l *trialLayer) check(t *testing.T, precision Precision, tolerance float64) {
	y, dx := newReference(make([]float32, len(l.dy))), newReference(make([]float32, len(l.x)))
	dw, db := newReference(l.dw), newReference(l.db)
	l.terms(func(yi, xi, wi int) {
		for ci := range l.Cin {
			x := float64(l.x[xi+ci])
			for co := range l.Cout {
				w, d := float64(l.w[wi+ci*l.Cout+co]), float64(l.dy[yi+co])
				y.add(yi+co, x*w)
				dx.add(xi+ci, d*w)
				dw.add(wi+ci*l.Cout+co, x*d)
			}
		}
	})
	for i, d := range l.dy {
		db.add(i%l.Cout, float64(d))
	}
	onAllSets(t, func(t *testing.T, s *Set) {
		s = s.In(precision)
		y, dx, dw := y, dx, dw
		if s.tiled(l.Conv) {
			y, dx, dw = y.even(), dx.even(), dw.even()
		}
		starts, ys, dxFrom := l.starts(), map[string]reference{}, dx.from(l.dxFrom)
		for name, start := range starts {
			ys[name] = y.from(l.begin(start))
		}
		ws := NewPoisonedWorkspace()
		p := s.NewPacked(l.Conv, true)
		s.Pack(p, l.w)
		for name, start := range starts {
			out, fence := fenced(poison(len(l.dy)))
			s.ConvForward(ws, out, l.x, p, start, l.Conv)
			ys[name].check(t, "y with "+name, out, tolerance)
			fence(t, "y with "+name)
		}
		checkReLU(t, s, ws, p, l)
		checkInto(t, s, ws, p, l)
		out, fence := fenced(l.from)
		s.ConvForward(ws, out, l.x, p, Start{Bias: l.bias, From: out}, l.Conv)
		ys["bias and from"].check(t, "y added in place", out, tolerance)
		fence(t, "y added in place")
		out, fence = fenced(poison(len(l.x)))
		s.ConvBackwardData(ws, out, l.dy, p, nil, l.Conv)
		dx.check(t, "dx", out, tolerance)
		fence(t, "dx")
		out, fence = fenced(l.dxFrom)
		s.ConvBackwardData(ws, out, l.dy, p, out, l.Conv)
		dxFrom.check(t, "dx added in place", out, tolerance)
		fence(t, "dx added in place")
		out, fence = fenced(l.dw)
		sums, fenceSums := fenced(l.db)
		s.ConvBackwardWeights(ws, out, sums, l.x, l.dy, l.Conv)
		dw.check(t, "dw", out, tolerance)
		fence(t, "dw")
		db.check(t, "db", sums, 1e-6)
		fenceSums(t, "db")
		out, _ = fenced(l.dw)
		s.ConvBackwardWeights(ws, out, nil, l.x, l.dy, l.Conv)
		dw.check(t, "dw without db", out, tolerance)
	})
}

// checkReLU compares the bits with those that ReLU of the same sums would have.
func checkReLU(t *testing.T, s *Set, ws *Workspace, p *Packed, l *trialLayer) {
	start := Start{Bias: l.bias, From: l.from}
	want, c := poison(len(l.dy)), l.Conv
	s.ConvForward(ws, want, l.x, p, start, c)
	for i, v := range want {
		if v < 0 {
			want[i] = 0
		}
	}
	c.ReLU = true
	out, fence := fenced(poison(len(l.dy)))
	s.ConvForward(ws, out, l.x, p, start, c)
	checkSame(t, "y with ReLU", out, want)
	fence(t, "y with ReLU")
}

// checkInto writes to some channels of wider pixels and compares the bits.
func checkInto(t *testing.T, s *Set, ws *Workspace, p *Packed, l *trialLayer) {
	start := Start{Bias: l.bias}
	dense, c := poison(len(l.dy)), l.Conv
	s.ConvForward(ws, dense, l.x, p, start, c)
	c.Into = Slot{At: 3, Of: c.Cout + 20}
	rows := len(dense) / c.Cout
	want := normals(1, rows*c.Into.Of, 0, 1)
	out, fence := fenced(want)
	s.PutChannels(want, dense, rows, c.Into)
	s.ConvForward(ws, out, l.x, p, start, c)
	checkSame(t, "y among other channels", out, want)
	fence(t, "y among other channels")
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
			onAllPrecisions(t, func(t *testing.T, s *Set) {
				ws := NewWorkspace()
				p := s.NewPacked(c, true)
				s.Pack(p, weights)
				y, dx := poison(len(dy)), poison(len(x))
				s.ConvForward(ws, y, x, p, Start{Bias: bias}, c)
				s.ConvBackwardData(ws, dx, dy, p, nil, c)
				for first, n := range map[int]int{0: 1, 1: 2, 3: 3, 6: 1} {
					part := c
					part.N = n
					y1, dx1 := poison(n*out), poison(n*in)
					s.ConvForward(ws, y1, x[first*in:][:n*in], p, Start{Bias: bias}, part)
					s.ConvBackwardData(ws, dx1, dy[first*out:][:n*out], p, nil, part)
					checkSame(t, "y", y1, y[first*out:][:n*out])
					checkSame(t, "dx", dx1, dx[first*in:][:n*in])
				}
			})
		})
	}
}

func TestConvWithReLUHasNoGradients(t *testing.T) {
	c := Conv{N: 1, H: 3, W: 3, Cin: 4, Cout: 5, Window: Square(3), Stride: 1, ReLU: true}
	s, ws := Best(), NewWorkspace()
	x, dy := make([]float32, 36), make([]float32, 45)
	if !panics(func() { s.ConvBackwardData(ws, x, dy, s.NewPacked(c, true), nil, c) }) {
		t.Error("no panic with respect to the input")
	}
	if !panics(func() { s.ConvBackwardWeights(ws, make([]float32, c.Weights()), nil, x, dy, c) }) {
		t.Error("no panic with respect to weights")
	}
}

// A sum that is no number must not become zero: runs look for what made it.
func TestReLUKeepsNaNs(t *testing.T) {
	c := Conv{N: 1, H: 9, W: 1, Cin: 1, Cout: 40, Window: Square(1), Stride: 1, ReLU: true}
	onAllPrecisions(t, func(t *testing.T, s *Set) {
		p, y := s.NewPacked(c, false), make([]float32, 9*40)
		s.Pack(p, normals(1, 40, 0, 1))
		s.ConvForward(NewWorkspace(), y, poison(9), p, Start{}, c)
		for i, v := range y {
			if !math.IsNaN(float64(v)) {
				t.Fatalf("y[%d] is %v", i, v)
			}
		}
	})
}

func TestPackedWithoutGradientHasNoBackwardForm(t *testing.T) {
	c := Conv{N: 1, H: 3, W: 3, Cin: 4, Cout: 5, Window: Square(3), Stride: 1}
	s := Best()
	p := s.NewPacked(c, false)
	if p.backward != nil {
		t.Error("memory spent on a form that is not needed")
	}
	if !panics(func() { s.ConvBackwardData(NewWorkspace(), make([]float32, 36), make([]float32, 45), p, nil, c) }) {
		t.Error("no panic")
	}
}

func TestConvAllocatesNothingOnceWarm(t *testing.T) {
	for _, c := range []Conv{
		{N: 4, H: 8, W: 8, Cin: 24, Cout: 16, Window: Square(3), Stride: 2},
		{N: 4, H: 8, W: 8, Cin: 24, Cout: 16, Window: Square(3), Stride: 1, Upsample: true},
		{N: 4, H: 8, W: 8, Cin: 24, Cout: 16, Window: Square(3), Stride: 1},
	} {
		onAllPrecisions(t, func(t *testing.T, s *Set) {
			h, w := c.Out()
			ws := NewWorkspace()
			p := s.NewPacked(c, true)
			x, dy := normals(1, c.N*c.H*c.W*c.Cin, 0, 1), normals(2, c.N*h*w*c.Cout, 0, 1)
			y, dx, dw := poison(len(dy)), poison(len(x)), normals(3, c.Weights(), 0, 1)
			n := testing.AllocsPerRun(3, func() {
				s.Pack(p, dw)
				s.ConvForward(ws, y, x, p, Start{}, c)
				s.ConvBackwardData(ws, dx, dy, p, nil, c)
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
	c := Conv{N: 4, H: 8, W: 8, Cin: 40, Cout: 24, Window: Square(3), Stride: 1}
	onAllPrecisions(t, func(t *testing.T, s *Set) {
		p := s.NewPacked(c, true)
		s.Pack(p, normals(1, c.Weights(), 0, 1))
		x := normals(2, c.N*c.H*c.W*c.Cin, 0, 1)
		want := poison(c.N * c.H * c.W * c.Cout)
		s.ConvForward(NewWorkspace(), want, x, p, Start{}, c)
		results := make([][]float32, 4)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				ws := NewWorkspace()
				for range 20 {
					results[i] = poison(len(want))
					s.ConvForward(ws, results[i], append([]float32(nil), x...), p, Start{}, c)
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
