package kernel

import (
	"fmt"
	"math"
)

// Conv is the shape of a convolution, as in PyTorch: N images of H×W pixels and
// Cin channels in, Cout channels out. Stride is 1 or 2. A linear layer is a
// convolution with a window of one pixel, Stride 1, H its number of rows and N
// and W 1.
//
// With Upsample (Square(3), Stride 1) the window slides over the input enlarged
// to 2H×2W, each pixel doubled in both directions (nearest neighbour), without
// that input being made: where neighbouring positions of the window see the
// same pixel, their weights are added up before.
//
// With ReLU, ConvForward writes max(0, y) for y. Such a convolution has no
// gradients.
//
// Into is where ConvForward writes the output's channels, for a concatenation
// without a copy.
//
// Activations are dense, [N][H][W][channels]; weights are [ky][kx][Cin][Cout].
type Conv struct {
	N, H, W, Cin, Cout int
	Window
	Stride   int
	Upsample bool
	ReLU     bool
	Into     Slot
}

// Out is the output's height and width.
func (c Conv) Out() (h, w int) {
	return places(c.H*c.enlarged()+2*c.PadH, c.KernelH, c.Stride), places(c.W*c.enlarged()+2*c.PadW, c.KernelW, c.Stride)
}

// Weights is the number of weights.
func (c Conv) Weights() int { return c.KernelH * c.KernelW * c.Cin * c.Cout }

// enlarged is how many times the input's size the window slides over.
func (c Conv) enlarged() int {
	if c.Upsample {
		return 2
	}
	return 1
}

// check panics if the shape is not one the kernels can compute.
func (c Conv) check() {
	c.Window.check()
	switch {
	case c.Stride != 1 && c.Stride != 2:
		panic(fmt.Sprintf("kernel: convolution with a stride of %d, not 1 or 2", c.Stride))
	case c.Upsample && (c.Window != Square(3) || c.Stride != 1):
		panic(fmt.Sprintf("kernel: upsampling with the window %+v and a stride of %d, not Square(3) and 1", c.Window, c.Stride))
	case c.N < 1 || c.H < 1 || c.W < 1 || c.Cin < 1 || c.Cout < 1 || c.H+2*c.PadH < c.KernelH || c.W+2*c.PadW < c.KernelW:
		panic(fmt.Sprintf("kernel: empty convolution %+v", c))
	}
}

// sizeless is c for the smallest images there are: what its weights depend on.
func (c Conv) sizeless() Conv {
	c.N, c.H, c.W, c.ReLU, c.Into = 1, c.KernelH, c.KernelW, false, Slot{}
	return c
}

// checkGradient is check of a convolution whose gradients are asked for.
func (c Conv) checkGradient() {
	c.check()
	if c.ReLU {
		panic("kernel: a convolution with ReLU has no gradients")
	}
}

// pixelwise is c, or the same arithmetic as images of one pixel if c treats
// every pixel alike: rows are then free to be grouped across images.
func (c Conv) pixelwise() Conv {
	if c.single() && c.Stride == 1 {
		c.N, c.H, c.W = c.N*c.H*c.W, 1, 1
	}
	return c
}

// Start is what the sums of a convolution start from. All are optional.
type Start struct {
	Bias []float32 // [Cout]
	Rows []float32 // [N][Cout], added to each pixel of an image; not with a window of one
	From []float32 // [N][outH][outW][Cout]; may be the output itself; not where Into is a part of the output
}

// ConvForward computes y[N][outH][outW][Cout or Into.Of], the convolution of
// x[N][H][W][Cin], plus what it starts from.
func (s *Set) ConvForward(ws *Workspace, y, x []float32, p *Packed, start Start, c Conv) {
	c.check()
	p.check(c)
	if start.Rows != nil && c.single() {
		panic("kernel: rows are added to convolutions of more than one pixel only")
	}
	if start.From != nil && c.Into != (Slot{}) {
		panic("kernel: a part of wider pixels cannot start from other values")
	}
	s = s.suited(c)
	if p.few != nil {
		s.fewForward(ws, y, x, p, start, c)
		return
	}
	c = c.pixelwise()
	out := c.output()
	out.slot = c.Into
	if p.tiled {
		down, across := c.forward(0)
		s.slideTiles(ws, out, y, c.input(), x, p.forward, down, across, start, c.ReLU)
		return
	}
	passes := make([]pass, 0, 4)
	for i, f := range p.forward {
		down, across := c.forward(i)
		passes = append(passes, pass{f, down, across})
	}
	s.slide(ws, out, y, c.input(), x, passes, start, c.ReLU)
}

// ConvBackwardData computes dx[N][H][W][Cin], the gradient with respect to the
// input, from dy[N][outH][outW][Cout], plus from, unless it is nil. p must have
// been made with grad. from may be dx.
func (s *Set) ConvBackwardData(ws *Workspace, dx, dy []float32, p *Packed, from []float32, c Conv) {
	c.checkGradient()
	p.check(c)
	if p.backward == nil {
		panic("kernel: weights packed without their backward form")
	}
	s = s.suited(c)
	if p.tiled {
		down, across := c.backward(0)
		s.slideTiles(ws, c.input(), dx, c.output(), dy, p.backward, down, across, Start{From: from}, false)
		return
	}
	c = c.pixelwise()
	passes := make([]pass, 0, 4)
	for i, f := range p.backward {
		down, across := c.backward(i)
		passes = append(passes, pass{f, down, across})
	}
	s.slide(ws, c.input(), dx, c.output(), dy, passes, Start{From: from}, false)
}

// images is the shape of a batch of images of c channels in a slot of a pixel's.
type images struct {
	n, h, w, c int
	slot       Slot
}

// size is the number of elements of n images.
func (im images) size(n int) int { return n * im.h * im.w * im.slot.width(im.c) }

func (c Conv) input() images { return images{n: c.N, h: c.H, w: c.W, c: c.Cin} }

func (c Conv) output() images {
	h, w := c.Out()
	return images{n: c.N, h: h, w: w, c: c.Cout}
}

// pass is one product slid over images.
type pass struct {
	form         *form
	down, across axis
}

// rowsAtOnce is the number of output pixels for which a panel of weights is
// used before the next one's turn: enough to pay for reading the weights from
// a far cache, few enough for their input to stay in a near one.
const rowsAtOnce = 256

// slide runs passes over the images x and writes the images y. Input outside
// an image is zero. A copy of the input with a border of zeros makes each row
// of a window one stretch of memory.
func (s *Set) slide(ws *Workspace, out images, y []float32, in images, x []float32, passes []pass, start Start, relu bool) {
	mustHave("input", x, in.size(in.n))
	mustHave("output", y, out.size(out.n))
	if start.From != nil {
		mustHave("output to start from", start.From, out.size(out.n))
	}
	if s.gemm.amx != nil {
		s.slideAMX(ws, out, y, in, x, passes, start, relu)
		return
	}
	defer ws.release(ws.mark())
	bias := s.gemm.biases(ws, start, out)
	group := min(in.n, (rowsAtOnce-1)/(out.h*out.w)+1)
	framed := framing{images: in, stride: s.gemm.cells(in.c)}
	for _, p := range passes {
		framed.reach(p.down, p.across, out)
	}
	if s.gemm.pairs {
		framed.layout = narrowed
	}
	scratch := ws.framed(framed, group)
	tables := make([]table, 0, 4)
	for _, p := range passes {
		tables = append(tables, ws.table(p.down, p.across, out, framed, group, 1))
	}
	for i := 0; i < in.n; i += group {
		n := min(group, in.n-i)
		source := s.fill(ws, framed, scratch, x[in.size(i):], n)
		var from []float32
		if start.From != nil {
			from = start.From[out.size(i):]
		}
		for j, p := range passes {
			s.multiply(ws, p.form, y[out.size(i):], from, source, tables[j].images(n), framed.pitch(), bias.images(i), relu)
		}
	}
}

// blockWeights is how many weights of a panel one call of a micro-kernel takes:
// they leave room in a 32 KB cache.
const blockWeights = 6 << 10

// multiply computes one output row for each entry of t: a panel of output
// channels at a time, a block of the sum's terms at a time.
func (s *Set) multiply(ws *Workspace, f *form, y, from, x []float32, t table, pitch int, bias biases, relu bool) {
	g := f.gemm
	if g != s.gemm && g != s.tiles {
		panic("kernel: weights packed by another set")
	}
	length := f.across * f.cells
	segments, part := f.blocks()
	a := &ws.multiplyArgs
	defer func() { *a = multiplyArgs{} }()
	a.stride = pitch
	chunk := max(g.most/(segments*part)/g.rows, 1) * g.rows
	for j := 0; j < f.out; j += f.width {
		panel := f.panel(j)
		a.cols = min(f.width, f.out-j)
		begun := false
		for first := 0; first == 0 || first < f.down; first += segments {
			a.segments = min(segments, f.down-first)
			for k := 0; k == 0 || k < length; k += part {
				a.length, a.relu = min(part, length-k), 0
				if relu && first+segments >= f.down && k+part >= length { // the last block
					a.relu = 1
				}
				a.x, a.b = x[first*a.stride+k:], panel[(first*length+k)*f.width:]
				for r := 0; r < len(t.x); {
					end := min(r+chunk, len(t.x), bias.end(r, t.rows))
					a.y, a.xat, a.yat = y[j:], t.x[r:end], t.y[r:end]
					if begun { // the next blocks go on from y
						a.bias, a.from = nil, a.y
					} else {
						a.bias, a.from = bias.row(r / t.rows)[j:][:f.width], nil
						if from != nil {
							a.from = from[j:]
						}
					}
					g.multiply(a)
					r = end
				}
				begun = true
			}
		}
	}
}

// blocks cuts the terms of f's sums into blocks of whole segments or, if one
// segment is too long, of equal parts of one.
func (f *form) blocks() (segments, part int) {
	length, most := f.across*f.cells, blockWeights/f.width
	if length == 0 || f.down == 0 {
		return 1, 1
	}
	if length <= most {
		return min(most/length, f.down), length
	}
	parts := (length-1)/most + 1
	return 1, (length-1)/parts + 1
}

// biases are what an image's sums start from: one row for all images or one for
// each, padded with zeros to whole panels.
type biases struct {
	rows   []float32
	width  int
	single bool
}

// biases adds start's bias and rows; all zeros if it has none.
func (g *gemm) biases(ws *Workspace, start Start, out images) biases {
	b := biases{width: g.padded(out.c), single: start.Rows == nil}
	count := 1
	if !b.single {
		mustHave("rows", start.Rows, out.n*out.c)
		count = out.n
	}
	b.rows = ws.float32s(count * b.width)
	clear(b.rows)
	if start.Bias != nil {
		mustHave("bias", start.Bias, out.c)
	}
	for i := range count {
		row := b.row(i)
		copy(row, start.Bias)
		if !b.single {
			for j, v := range start.Rows[i*out.c:][:out.c] {
				row[j] += v
			}
		}
	}
	return b
}

// row is image i's.
func (b biases) row(i int) []float32 {
	if b.single {
		i = 0
	}
	return b.rows[i*b.width:][:b.width]
}

// images are those of the images from i on.
func (b biases) images(i int) biases {
	if !b.single {
		b.rows = b.rows[i*b.width:]
	}
	return b
}

// end is the first output row behind r that starts from another bias, there
// being so many to an image.
func (b biases) end(r, rows int) int {
	if b.single {
		return math.MaxInt
	}
	return (r/rows + 1) * rows
}

// mustHave panics unless s has exactly n elements.
func mustHave(what string, s []float32, n int) {
	if len(s) != n {
		panic(fmt.Sprintf("kernel: %s of %d elements, want %d", what, len(s), n))
	}
}
