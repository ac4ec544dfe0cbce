package kernel

import (
	"fmt"
	"math"
)

// framing is how images lie in scratch memory: with padH rows of zero pixels
// above and below and padW on either side, a pixel every stride cells.
type framing struct {
	images
	padH, padW, stride int
	layout             layout
	step               int  // of zipped pixels
	apart              bool // of them, each is read in one pair only: the window is one pixel
}

// reach widens the border to all that a window sees to yield out.
func (f *framing) reach(down, across axis, out images) {
	f.padH, f.padW = max(f.padH, down.border(f.h, out.h)), max(f.padW, across.border(f.w, out.w))
}

// layout is what the cells of a pixel are.
type layout int

const (
	plain    layout = iota // its values
	narrowed               // pairs of neighbouring channels
	zipped                 // each channel paired with that of the pixel step further on in the row
)

// pitch is the distance of two pixel rows, in cells.
func (f framing) pitch() int { return (f.w + 2*f.padW) * f.stride }

// image is the distance of two images, in cells.
func (f framing) image() int { return (f.h + 2*f.padH) * f.pitch() }

// dense says that a copy would change nothing.
func (f framing) dense() bool {
	return f.layout == plain && f.padH == 0 && f.padW == 0 && f.stride == f.c
}

// framed takes scratch for n images; none if they can be read where they are.
func (ws *Workspace) framed(f framing, n int) []float32 {
	if f.dense() {
		return nil
	}
	return ws.float32s(n * f.image())
}

// fill copies n images x into scratch made by framed and returns where they
// can be read.
func (s *Set) fill(ws *Workspace, f framing, scratch, x []float32, n int) []float32 {
	if f.dense() {
		return x[:f.size(n)]
	}
	if f.layout == narrowed && f.padH == 0 && f.padW == 0 && f.c%2 == 0 {
		// No border and no pair across pixels: one stretch, in calls of bounded work.
		inBlocks(f.size(n), func(i, j int) { s.gemm.narrow(scratch[i/2:], x[i:j]) })
		return scratch
	}
	defer ws.release(ws.mark())
	var row []float32
	switch {
	case f.layout == zipped && f.apart:
		row = ws.float32s(f.c)
		clear(row)
	case f.layout == zipped:
		row = ws.float32s((f.w + 2*f.padW + f.step) * f.c)
		clear(row)
	}
	for i := range n {
		image := scratch[i*f.image():][:f.image()]
		border := f.padH * f.pitch()
		clear(image[:border])
		clear(image[len(image)-border:])
		for y := range f.h {
			from := x[(i*f.h+y)*f.w*f.c:][:f.w*f.c]
			s.fillRow(f, image[border+y*f.pitch():][:f.pitch()], from, row)
		}
	}
	return scratch
}

// fillRow makes one row of pixels, its border included. framed is scratch for
// zipped ones, zero beside the pixels.
func (s *Set) fillRow(f framing, to, from, framed []float32) {
	if f.apart {
		s.zipApart(f, to, from, framed)
		return
	}
	if f.layout == zipped {
		copy(framed[f.padW*f.c:], from)
		later := framed[f.step*f.c:]
		if f.stride == f.c {
			s.gemm.zip(to, framed[:len(to)], later[:len(to)])
			return
		}
		for p := range f.w + 2*f.padW {
			s.gemm.zip(to[p*f.stride:][:f.c], framed[p*f.c:][:f.c], later[p*f.c:][:f.c])
		}
		return
	}
	clear(to[:f.padW*f.stride])
	clear(to[len(to)-f.padW*f.stride:])
	to = to[f.padW*f.stride:]
	switch {
	case f.layout == plain && f.stride == f.c:
		copy(to, from)
	case f.layout == narrowed && f.c%2 == 0:
		s.gemm.narrow(to, from)
	default:
		for p := range f.w {
			pixel, values := to[p*f.stride:], from[p*f.c:][:f.c]
			if f.layout == plain {
				copy(pixel, values)
			} else {
				s.gemm.pairRow(pixel, values)
			}
		}
	}
}

// zipApart makes one row of the zipped pixels that a window of one pixel reads;
// an odd last one is joined with zeros.
func (s *Set) zipApart(f framing, to, from, zeros []float32) {
	for p := 0; p < f.w; p += 2 * f.step {
		later := zeros
		if p+f.step < f.w {
			later = from[(p+f.step)*f.c:][:f.c]
		}
		s.gemm.zip(to[p*f.stride:][:f.c], from[p*f.c:][:f.c], later)
	}
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

// table lists the places of a window over n images that lie as in says; of
// each row of them, every second one where every is 2.
func (ws *Workspace) table(down, across axis, out images, in framing, n, every int) table {
	if n*in.image() > math.MaxInt32 || out.size(n) > math.MaxInt32 {
		panic(fmt.Sprintf("kernel: an image of %d×%d pixels is too large", in.h, in.w))
	}
	h, w := down.places(out.h), (across.places(out.w)+every-1)/every
	image, pitch := in.image(), in.pitch()
	t := table{x: ws.int32s(n * h * w), y: ws.int32s(n * h * w), rows: h * w}
	row, width := 0, out.slot.width(out.c)
	for i := range n {
		for q := range h {
			x := i*image + (in.padH+down.first+down.step*q)*pitch + (in.padW+across.first)*in.stride
			y := out.size(i) + ((down.at+down.spread*q)*out.w+across.at)*width + out.slot.At
			for range w {
				t.x[row], t.y[row] = int32(x), int32(y)
				row++
				x += every * across.step * in.stride
				y += every * across.spread * width
			}
		}
	}
	return t
}
