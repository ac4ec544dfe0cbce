package kernel

import "fmt"

// Resize is the shape of a bilinear interpolation: N images of H×W pixels and C
// channels to OutH×OutW pixels and OutC channels, which are C, or any number if
// C is 1: copies of it. Values become Scale·value + Shift.
type Resize struct {
	N, H, W, C, OutH, OutW, OutC int
	Scale, Shift                 float32
}

// check panics unless y and x are r's output and input.
func (r Resize) check(y, x []float32) {
	if r.N < 1 || r.H < 1 || r.W < 1 || r.OutH < 1 || r.OutW < 1 || r.C < 1 || r.C != 1 && r.C != r.OutC {
		panic(fmt.Sprintf("kernel: impossible resizing %+v", r))
	}
	mustHave("image to resize", x, r.N*r.H*r.W*r.C)
	mustHave("resized image", y, r.N*r.OutH*r.OutW*r.OutC)
}

// Resize writes to y[N][OutH][OutW][OutC] the images x[N][H][W][C], interpolated
// as PyTorch's interpolate(mode="bilinear", align_corners=False) does: between
// the centres of pixels, without a filter against aliasing.
func (s *Set) Resize(ws *Workspace, y, x []float32, r Resize) {
	r.check(y, x)
	defer ws.release(ws.mark())
	row := r.OutW * r.OutC
	rows := ws.float32s(r.H * row) // of the input, as wide as the output
	for i := range r.N {
		for h := range r.H {
			r.widen(rows[h*row:][:row], x[(i*r.H+h)*r.W*r.C:][:r.W*r.C])
		}
		for h := range r.OutH {
			above, below, share := between(h, r.H, r.OutH)
			s.Combine(y[(i*r.OutH+h)*row:][:row], 1-share, rows[above*row:][:row], share, rows[below*row:][:row], 0, nil)
		}
	}
}

// widen interpolates within a row of pixels and scales its values.
func (r Resize) widen(to, from []float32) {
	for w := range r.OutW {
		left, right, share := between(w, r.W, r.OutW)
		for c := range r.OutC {
			k := min(c, r.C-1)
			v := (1-share)*from[left*r.C+k] + share*from[right*r.C+k]
			to[w*r.OutC+c] = r.Scale*v + r.Shift
		}
	}
}

// between is the pixels of n on either side of place i of size, and how much of
// the second one it takes; beyond the outermost centres it is all the first.
func between(i, n, size int) (first, second int, share float32) {
	at := max((float32(i)+0.5)*(float32(n)/float32(size))-0.5, 0)
	first = min(int(at), n-1)
	return first, min(first+1, n-1), at - float32(first)
}
