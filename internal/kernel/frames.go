package kernel

import (
	"fmt"
	"math"
	"slices"
)

// frame is how n images lie side by side for tiles, [padded h][border and w][n][cells]:
// neighbours in it are a tile's rows however small an image is. Borders are zero, the
// one on the right being the next row's on the left, and so are the cells behind a
// pixel's last channel.
type frame struct {
	images
	padH, padW, cells int
}

// reach widens the border to all that a window sees to yield out.
func (f *frame) reach(down, across axis, out images) {
	f.padH, f.padW = max(f.padH, down.border(f.h, out.h)), max(f.padW, across.border(f.w, out.w))
}

// pitch is the distance of two pixel rows, in cells.
func (f frame) pitch() int { return (f.padW + f.w) * f.n * f.cells }

// size is the frame's cells, with room to read beyond the last row.
func (f frame) size() int { return (f.h+2*f.padH)*f.pitch() + (f.padW+maxWindow)*f.n*f.cells }

// frameArgs: pixels gathered by a table and rounded to bfloat16; one at an offset
// below 0 is zeros.
//
//	rows:   to[k·cells+i] is the pair of values 2i and 2i+1 at x[at[k]], 0 beyond c
//	planes: half cell k of to[i·cells:] is value i at x[at[k]]; len(at) is a multiple of tileTerms
//	turn:   to[k·width+j] is the pair of values 2k and 2k+1 at x[at[j]], 0 beyond c; k < cells, j < width
//	rest:   to[i] is what rounding leaves of x[i]
//	panel:  to[k·width+i] is the pair of values i at x[at[2k]] and x[at[2k+1]], 0 beyond c;
//	        sums[i] grows by both
type frameArgs struct {
	to, x    *float32
	at       []int32
	c, cells int
	sums     *float32
}

// fillFrame makes a frame of images x.
func (s *Set) fillFrame(ws *Workspace, f frame, to, x []float32) {
	if f.padH == 0 && f.padW == 0 && f.h*f.w == 1 && f.c == 2*f.cells {
		inBlocks(len(x), func(i, j int) { s.gemm.narrow(to[i/2:], x[i:j]) })
		return
	}
	at := ws.tables.frames.get(f, frame.pixels)
	a := &ws.frameArgs
	defer func() { *a = frameArgs{} }()
	a.x, a.c, a.cells = &x[0], f.c, f.cells
	inRows(len(at), f.cells, func(i, j int) {
		a.to, a.at = &to[i], at[i/f.cells:j/f.cells]
		s.gemm.amx.rows(a)
	})
}

// fillPlanes makes planes of c channels, whole tiles of them.
func (s *Set) fillPlanes(ws *Workspace, to, x []float32, t *gradientTable, c int) {
	a := &ws.frameArgs
	defer func() { *a = frameArgs{} }()
	a.x, a.c, a.cells = &x[0], c, t.plane
	step := max(block/roundUp(c, tileRows)/tileTerms, 1) * tileTerms
	for k := 0; k < len(t.x); k += step {
		a.to, a.at = &to[k/2], t.x[k:min(k+step, len(t.x))]
		s.gemm.amx.planes(a)
	}
}

// fillPanels makes the panels of c channels of gradients, and adds them up in sums.
func (s *Set) fillPanels(ws *Workspace, to, sums, dy []float32, t *gradientTable, c int) {
	a := &ws.frameArgs
	defer func() { *a = frameArgs{} }()
	width := s.gemm.width
	panel := len(t.dy) / 2 * width
	const step = block / 64
	for j := 0; j < c; j += width {
		a.c, a.x, a.sums = min(width, c-j), &dy[j], &sums[j]
		for k := 0; k < len(t.dy); k += step {
			a.to, a.at = &to[j/width*panel+k/2*width], t.dy[k:min(k+step, len(t.dy))]
			s.gemm.amx.panel(a)
		}
	}
}

// productTable is where the rows of a product over a frame are read from and
// written to; those written below 0 only fill up what lies evenly.
type productTable struct {
	x, y     []int32
	segments []int32 // where the parts of a window begin
	length   int     // of such a part
}

// gradientTable is the planes of a gradient, pixel by pixel, and how they are read.
type gradientTable struct {
	x     []int32 // the input's pixels in a plane
	plane int     // cells of a plane
	at    []int32 // where steps of tileTerms begin, in half cells
	taps  []int32 // where a window's positions begin, likewise
	dy    []int32 // the output's pixels of all steps
}

// tables are those that a Workspace has made, which the same layers ask for again.
type tables struct {
	frames    memo[frame, []int32]
	products  memo[productKey, *productTable]
	gradients memo[planar, *gradientTable]
}

// memo remembers what was made of a key.
type memo[K comparable, V any] map[K]V

// get makes a value once.
func (m *memo[K, V]) get(key K, create func(K) V) V {
	v, ok := (*m)[key]
	if !ok {
		v = create(key)
		if *m == nil {
			*m = memo[K, V]{}
		}
		(*m)[key] = v
	}
	return v
}

type productKey struct {
	down, across axis
	out          images
	frame        frame
	parts        int
}

// pixels is those of a frame: offsets in the images, or -1 for the border.
func (f frame) pixels() (at []int32) {
	mustCount(f.images, f.images.size(f.n))
	for y := -f.padH; y < f.h+f.padH; y++ {
		for x := -f.padW; x < f.w; x++ {
			for i := range f.n {
				at = append(at, f.offset(i, y, x))
			}
		}
	}
	for range f.padW * f.n {
		at = append(at, -1)
	}
	return at
}

// mustCount panics if offsets up to n, of images, are too large for a table.
func mustCount(im images, n int) {
	if n > math.MaxInt32 {
		panic(fmt.Sprintf("kernel: an image of %d×%d pixels is too large", im.h, im.w))
	}
}

// offset is where a pixel of image i begins, or -1 beside the image.
func (im images) offset(i, y, x int) int32 {
	if y < 0 || y >= im.h || x < 0 || x >= im.w {
		return -1
	}
	return int32(im.size(i) + (y*im.w+x)*im.slot.width(im.c))
}

// products is the table of a pass over a frame, with weights in so many parts.
func (ws *Workspace) products(down, across axis, out images, f frame, parts int) *productTable {
	out.n = f.n
	return ws.tables.products.get(productKey{down, across, out, f, parts}, productKey.table)
}

func (key productKey) table() *productTable {
	down, across, out, f := key.down, key.across, key.out, key.frame
	mustCount(out, out.size(out.n))
	mustCount(f.images, f.size())
	pixel := f.n * f.cells
	t := &productTable{length: f.cells}
	for ty := range down.count {
		for tx := range across.count {
			t.segments = append(t.segments, int32(ty*f.pitch()+tx*pixel))
		}
	}
	if f.n == 1 { // a row of the window is one stretch
		t.segments, t.length = t.segments[:0], across.count*f.cells
		for ty := range down.count * min(across.count, 1) {
			t.segments = append(t.segments, int32(ty*f.pitch()))
		}
	}
	t.segments = slices.Repeat(t.segments, key.parts)
	w := across.places(out.w)
	wide := w
	if w*f.n%tileRows != 0 && across.step == 1 {
		wide = f.padW + f.w // the next row follows evenly
	}
	for q := range down.places(out.h) {
		for p := range wide {
			x := (f.padH+down.first+down.step*q)*f.pitch() + (f.padW+across.first+across.step*p)*pixel
			for i := range f.n {
				y := int32(-1)
				if p < w {
					y = out.offset(i, down.at+down.spread*q, across.at+across.spread*p) + int32(out.slot.At)
				}
				t.x, t.y = append(t.x, int32(x+i*f.cells)), append(t.y, y)
			}
		}
	}
	return t
}

// planar is how n images lie for the gradient of weights of one pass: each channel
// a plane [rows][step classes of columns][n], so that what one position of the
// window sees of a row is a stretch of half cells.
type planar struct {
	images
	out          images
	down, across axis
}

// gradients is the table of a gradient.
func (ws *Workspace) gradients(f planar) *gradientTable {
	f.out.n = f.n
	return ws.tables.gradients.get(f, planar.table)
}

func (f planar) table() *gradientTable {
	mustCount(f.images, f.size(f.n))
	mustCount(f.out, f.out.size(f.n))
	t := &gradientTable{}
	h, w, step := f.down.places(f.out.h), f.across.places(f.out.w), f.across.step
	class := w + (f.across.count-1)/step // columns of a class
	row := step * class * f.n
	for y := range f.down.step*(h-1) + f.down.count {
		for of := range step {
			for x := range class {
				for i := range f.n {
					t.x = append(t.x, f.offset(i, f.down.first+y, f.across.first+of+step*x))
				}
			}
		}
	}
	lines := (len(t.x)-1)/tileTerms + 2 // steps read beyond the last row
	lines += 1 - lines%2                // an odd number: planes begin in different sets of a cache
	for len(t.x) < lines*tileTerms {
		t.x = append(t.x, -1)
	}
	t.plane = lines * tileCells
	for ty := range f.down.count {
		for tx := range f.across.count {
			t.taps = append(t.taps, int32(ty*row+(tx%step*class+tx/step)*f.n))
		}
	}
	t.walk(f, h, w, row)
	return t
}

// walk lists the steps over h rows of w outputs, whose inputs' rows are so many half
// cells apart: each row by itself, or all in one with the border between them, whose
// outputs are zeros, where that takes fewer.
func (t *gradientTable) walk(f planar, h, w, row int) {
	of := func(q, p int) int32 {
		if q >= h || p >= w*f.n {
			return -1
		}
		return f.out.offset(p%f.n, f.down.at+f.down.spread*q, f.across.at+f.across.spread*(p/f.n))
	}
	apart, together := (w*f.n-1)/tileTerms+1, ((h-1)*row+w*f.n-1)/tileTerms+1
	if f.down.step == 1 && f.across.step == 1 && together < h*apart {
		for p := range together * tileTerms {
			t.dy = append(t.dy, of(p/row, p%row))
			if p%tileTerms == 0 {
				t.at = append(t.at, int32(p))
			}
		}
		return
	}
	for q := range h {
		for p := range apart * tileTerms {
			t.dy = append(t.dy, of(q, p))
			if p%tileTerms == 0 {
				t.at = append(t.at, int32(f.down.step*q*row+p))
			}
		}
	}
}
