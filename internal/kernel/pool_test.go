package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// poolShapes are a classifier's and InceptionV3's, and random ones.
func poolShapes() []Pool {
	shapes := []Pool{
		{N: 3, H: 28, W: 28, C: 16, Window: Valid(2, 2), Stride: 2, Ceil: true},
		{N: 2, H: 7, W: 7, C: 37, Window: Valid(2, 2), Stride: 2, Ceil: true},
		{N: 2, H: 1, W: 1, C: 5, Window: Valid(2, 2), Stride: 2, Ceil: true},
		{N: 1, H: 17, W: 17, C: 33, Window: Valid(3, 3), Stride: 2},
		{N: 2, H: 8, W: 8, C: 70, Window: Square(3), Stride: 1},
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		w := Window{KernelH: 1 + r.IntN(4), KernelW: 1 + r.IntN(4)}
		w.PadH, w.PadW = r.IntN(w.KernelH/2+1), r.IntN(w.KernelW/2+1) // PyTorch allows no more
		shapes = append(shapes, Pool{
			N: 1 + r.IntN(3), H: max(1, w.KernelH-2*w.PadH) + r.IntN(9), W: max(1, w.KernelW-2*w.PadW) + r.IntN(9),
			C: 1 + r.IntN(40), Window: w, Stride: 1 + r.IntN(3), Ceil: r.IntN(2) == 0,
		})
	}
	return shapes
}

// windows calls f with each output value's index and those of the input values
// that its window sees.
func (p Pool) windows(f func(y int, x []int)) {
	h, w := p.Out()
	for i := range p.N * h * w * p.C {
		c, ox, oy, n := i%p.C, i/p.C%w, i/p.C/w%h, i/p.C/w/h
		var seen []int
		for iy := oy*p.Stride - p.PadH; iy < oy*p.Stride-p.PadH+p.KernelH; iy++ {
			for ix := ox*p.Stride - p.PadW; ix < ox*p.Stride-p.PadW+p.KernelW; ix++ {
				if iy >= 0 && iy < p.H && ix >= 0 && ix < p.W {
					seen = append(seen, ((n*p.H+iy)*p.W+ix)*p.C+c)
				}
			}
		}
		f(i, seen)
	}
}

func TestPoolsAgainstDefinition(t *testing.T) {
	for i, p := range poolShapes() {
		t.Run(fmt.Sprintf("%+v", p), func(t *testing.T) {
			seed := uint64(10 * i)
			h, w := p.Out()
			x, dy := normals(seed, p.N*p.H*p.W*p.C, 0, 1), normals(seed+1, p.N*h*w*p.C, 0, 1)
			mean, most, dx := make([]float64, len(dy)), make([]float32, len(dy)), make([]float64, len(x))
			p.windows(func(yi int, seen []int) {
				most[yi] = x[seen[0]]
				for _, xi := range seen {
					most[yi] = max(most[yi], x[xi])
					mean[yi] += float64(x[xi]) / float64(len(seen))
					dx[xi] += float64(dy[yi]) / float64(len(seen))
				}
			})
			onAllSets(t, func(t *testing.T, s *Set) {
				ws := NewPoisonedWorkspace()
				out, fence := fenced(poison(len(dy)))
				s.AvgPool(ws, out, x, p)
				checkClose(t, "mean", out, mean, 1e-6)
				fence(t, "mean")
				out, fence = fenced(poison(len(dy)))
				s.MaxPool(ws, out, x, p)
				checkSame(t, "most", out, most)
				fence(t, "most")
				checkPoolInto(t, s, ws, x, p)
				out, fence = fenced(poison(len(x)))
				s.AvgPoolBackward(ws, out, dy, p)
				checkClose(t, "gradient of mean", out, dx, 1e-6)
				fence(t, "gradient of mean")
			})
		})
	}
}

// checkPoolInto writes to some channels of wider pixels and compares the bits.
func checkPoolInto(t *testing.T, s *Set, ws *Workspace, x []float32, p Pool) {
	t.Helper()
	wide := p
	wide.Into = Slot{At: 3, Of: p.C + 5}
	for name, pool := range map[string]func(*Workspace, []float32, []float32, Pool){"most": s.MaxPool, "mean": s.AvgPool} {
		h, w := p.Out()
		rows := p.N * h * w
		dense, want := poison(rows*p.C), normals(1, rows*wide.Into.Of, 0, 1)
		pool(ws, dense, x, p)
		out, fence := fenced(want)
		s.PutChannels(want, dense, rows, wide.Into)
		pool(ws, out, x, wide)
		checkSame(t, name+" among other channels", out, want)
		fence(t, name+" among other channels")
	}
}

// The output's size by torch.nn.AvgPool2d(kernel, stride, padding, ceil_mode).
func TestPoolOutIsPyTorchs(t *testing.T) {
	for _, tc := range []struct {
		in, kernel, stride, pad int
		ceil                    bool
		want                    int
	}{
		{28, 2, 2, 0, true, 14}, {7, 2, 2, 0, true, 4}, {7, 2, 2, 0, false, 3}, {1, 2, 2, 0, true, 1},
		{147, 3, 2, 0, false, 73}, {71, 3, 2, 0, false, 35}, {8, 3, 1, 1, false, 8},
		{5, 2, 3, 1, true, 2}, {3, 1, 2, 0, true, 2}, {4, 1, 3, 0, true, 2}, {5, 3, 3, 1, true, 2},
	} {
		p := Pool{N: 1, H: tc.in, W: 20, C: 1, Window: Window{tc.kernel, 1, tc.pad, 0}, Stride: tc.stride, Ceil: tc.ceil}
		if got, _ := p.Out(); got != tc.want {
			t.Errorf("%+v: %d, want %d", tc, got, tc.want)
		}
	}
}

func TestGlobalAvgPool(t *testing.T) {
	const n = 3
	for _, d := range []struct{ hw, c int }{{1, 1}, {49, 10}, {64, 37}, {289, 768}} {
		x, dy := normals(1, n*d.hw*d.c, 0, 1), normals(2, n*d.c, 0, 1)
		y, dx := make([]float64, n*d.c), make([]float64, len(x))
		for i := range x {
			at := i/(d.hw*d.c)*d.c + i%d.c
			y[at] += float64(x[i]) / float64(d.hw)
			dx[i] = float64(dy[at]) / float64(d.hw)
		}
		onAllSets(t, func(t *testing.T, s *Set) {
			out, fence := fenced(poison(len(y)))
			s.GlobalAvgPool(out, x, n, d.hw, d.c)
			checkClose(t, "mean", out, y, 1e-6)
			fence(t, "mean")
			out, fence = fenced(poison(len(dx)))
			s.GlobalAvgPoolBackward(out, dy, n, d.hw, d.c)
			checkClose(t, "gradient", out, dx, 1e-6)
			fence(t, "gradient")
		})
	}
}
