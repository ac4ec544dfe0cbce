package kernel

import "fmt"

// Pool is the shape of a pooling, as in PyTorch: N images of H×W pixels and C
// channels, each channel for itself. A window sees the pixels of the image that
// lie under it, and at least one; padding only moves where it stands. With Ceil
// (PyTorch's ceil_mode) the last one may reach beyond image and padding, as long
// as it begins within.
type Pool struct {
	N, H, W, C int
	Window
	Stride int
	Ceil   bool
	Into   Slot // where to write the output's channels; not for gradients
}

// Out is the output's height and width.
func (p Pool) Out() (h, w int) {
	return p.places(p.H, p.down()), p.places(p.W, p.across())
}

// places is the number of windows along an axis of n pixels.
func (p Pool) places(n int, w side) int {
	if !p.Ceil {
		return places(n+2*w.pad, w.kernel, p.Stride)
	}
	count := places(n+2*w.pad+p.Stride-1, w.kernel, p.Stride)
	if (count-1)*p.Stride >= n+w.pad {
		count--
	}
	return count
}

// sees is the pixels [from, to) of n along an axis that the window in place q sees.
func (p Pool) sees(q, n int, w side) (from, to int) {
	from = q*p.Stride - w.pad
	return max(from, 0), min(from+w.kernel, n)
}

func (p Pool) input() images { return images{n: p.N, h: p.H, w: p.W, c: p.C} }

func (p Pool) output() images {
	h, w := p.Out()
	return images{n: p.N, h: h, w: w, c: p.C, slot: p.Into}
}

// check panics if there is nothing to pool, or x and y are not p's input and output.
func (p Pool) check(y, x []float32) {
	p.Window.check()
	h, w := p.Out()
	if p.Stride < 1 || p.N < 1 || p.C < 1 || h < 1 || w < 1 {
		panic(fmt.Sprintf("kernel: empty pooling %+v", p))
	}
	mustHave("input of a pooling", x, p.input().size(p.N))
	mustHave("output of a pooling", y, p.output().size(p.N))
}

// MaxPool writes to y[N][outH][outW][C or Into.Of] the largest of what each window sees of
// x[N][H][W][C]: PyTorch's MaxPool2d.
func (s *Set) MaxPool(ws *Workspace, y, x []float32, p Pool) {
	p.check(y, x)
	s.reduce(ws, y, x, p, s.vec.maximum)
}

// AvgPool writes to y[N][outH][outW][C or Into.Of] the mean of what each window sees of
// x[N][H][W][C]: PyTorch's AvgPool2d with count_include_pad=False.
func (s *Set) AvgPool(ws *Workspace, y, x []float32, p Pool) {
	p.check(y, x)
	s.reduce(ws, y, x, p, s.vec.add)
	h, w := p.Out()
	width := p.Into.width(p.C)
	for q := range p.N * h {
		top, bottom := p.sees(q%h, p.H, p.down())
		for r := range w {
			left, right := p.sees(r, p.W, p.across())
			pixel := y[(q*w+r)*width+p.Into.At:][:p.C]
			s.vec.scale(pixel, 1/float32((bottom-top)*(right-left)), pixel)
		}
	}
}

// reduce writes to y what join makes of all that each window sees: first of the
// rows, then of the pixels in them.
func (s *Set) reduce(ws *Workspace, y, x []float32, p Pool, join func(y, a, b []float32)) {
	defer ws.release(ws.mark())
	h, w := p.Out()
	row, all, width := p.W*p.C, ws.float32s(p.W*p.C), p.Into.width(p.C)
	for q := range p.N * h {
		image := x[q/h*p.H*row:][:p.H*row]
		top, bottom := p.sees(q%h, p.H, p.down())
		copy(all, image[top*row:])
		for i := top + 1; i < bottom; i++ {
			inBlocks(row, func(j, k int) { join(all[j:k], all[j:k], image[i*row:][j:k]) })
		}
		for r := range w {
			left, right := p.sees(r, p.W, p.across())
			pixel := y[(q*w+r)*width+p.Into.At:][:p.C]
			copy(pixel, all[left*p.C:])
			for j := left + 1; j < right; j++ {
				join(pixel, pixel, all[j*p.C:][:p.C])
			}
		}
	}
}

// AvgPoolBackward writes to dx[N][H][W][C] the gradient with respect to AvgPool's
// input, from dy[N][outH][outW][C].
func (s *Set) AvgPoolBackward(ws *Workspace, dx, dy []float32, p Pool) {
	p.check(dy, dx)
	defer ws.release(ws.mark())
	h, w := p.Out()
	row, sum, share := p.W*p.C, ws.float32s(p.W*p.C), ws.float32s(p.C)
	clear(dx)
	for q := range p.N * h {
		image := dx[q/h*p.H*row:][:p.H*row]
		top, bottom := p.sees(q%h, p.H, p.down())
		clear(sum)
		for r := range w {
			left, right := p.sees(r, p.W, p.across())
			s.vec.scale(share, 1/float32((bottom-top)*(right-left)), dy[(q*w+r)*p.C:][:p.C])
			for j := left; j < right; j++ {
				pixel := sum[j*p.C:][:p.C]
				s.vec.add(pixel, pixel, share)
			}
		}
		for i := top; i < bottom; i++ {
			s.AddTo(image[i*row:][:row], sum)
		}
	}
}

// GlobalAvgPool writes y[i][c] = Σ_p x[i][p][c] / hw: the mean over the pixels of
// each of n images of hw pixels and c channels.
func (s *Set) GlobalAvgPool(y, x []float32, n, hw, c int) {
	s.SumPixels(y, x, n, hw, c)
	inBlocks(n*c, func(i, j int) { s.vec.scale(y[i:j], 1/float32(hw), y[i:j]) })
}

// GlobalAvgPoolBackward writes dx[i][p][c] = dy[i][c] / hw, the gradient with
// respect to GlobalAvgPool's input.
func (s *Set) GlobalAvgPoolBackward(dx, dy []float32, n, hw, c int) {
	for i := range n {
		image := dx[i*hw*c:][:hw*c]
		s.vec.scale(image[:c], 1/float32(hw), dy[i*c:][:c])
		for p := 1; p < hw; p++ {
			copy(image[p*c:][:c], image[:c])
		}
	}
}
