package kernel

import (
	"fmt"
	"math"
)

// framing is how images lie in scratch memory: with a border of pad zero
// pixels all around, a pixel every stride floats.
type framing struct {
	images
	pad, stride int
}

// pitch is the distance of two pixel rows, in floats.
func (f framing) pitch() int { return (f.w + 2*f.pad) * f.stride }

// image is the distance of two images, in floats.
func (f framing) image() int { return (f.h + 2*f.pad) * f.pitch() }

// dense says that a copy would change nothing.
func (f framing) dense() bool { return f.pad == 0 && f.stride == f.c }

// framed takes scratch for n images and zeroes it; none if they can be read
// where they are.
func (ws *Workspace) framed(f framing, n int) []float32 {
	if f.dense() {
		return nil
	}
	s := ws.float32s(n * f.image())
	clear(s)
	return s
}

// fill copies n images x into scratch made by framed and returns where they
// can be read.
func (f framing) fill(scratch, x []float32, n int) []float32 {
	if f.dense() {
		return x[:f.size(n)]
	}
	width := f.w * f.c
	for i := range n * f.h {
		to := scratch[i/f.h*f.image()+(i%f.h+f.pad)*f.pitch()+f.pad*f.stride:]
		from := x[i*width:][:width]
		if f.stride == f.c {
			copy(to, from)
			continue
		}
		for p := range f.w {
			copy(to[p*f.stride:], from[p*f.c:][:f.c])
		}
	}
	return scratch
}

// table is where the rows of a product are read from and written to, image by
// image: offsets of the window's first input float and of the output pixel.
type table struct {
	x, y []int32
	rows int // of one image
}

// images is the table for the first n images.
func (t table) images(n int) table {
	return table{x: t.x[:n*t.rows], y: t.y[:n*t.rows], rows: t.rows}
}

// table lists the places of a window over n images that lie as in says.
func (ws *Workspace) table(down, across axis, out images, in framing, n int) table {
	if n*in.image() > math.MaxInt32 || out.size(n) > math.MaxInt32 {
		panic(fmt.Sprintf("kernel: an image of %d×%d pixels is too large", in.h, in.w))
	}
	h, w := down.places(out.h), across.places(out.w)
	t := table{x: ws.int32s(n * h * w), y: ws.int32s(n * h * w), rows: h * w}
	row := 0
	for i := range n {
		for q := range h {
			x := i*in.image() + (in.pad+down.first+down.step*q)*in.pitch() + (in.pad+across.first)*in.stride
			y := out.size(i) + ((down.at+down.spread*q)*out.w+across.at)*out.c
			for range w {
				t.x[row], t.y[row] = int32(x), int32(y)
				row++
				x += across.step * in.stride
				y += across.spread * out.c
			}
		}
	}
	return t
}
