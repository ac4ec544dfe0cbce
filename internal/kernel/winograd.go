package kernel

// Winograd's F(4×4, 3×3) computes tiles of 4×4 outputs of a 3×3 window by 36
// products for 144 (Lavin and Gray 2016, "Fast Algorithms for Convolutional
// Neural Networks"):
//
//	y = Aᵀ[(G·w·Gᵀ) ⊙ (Bᵀ·x·B)]A
//
// x is a tile of 6×6 inputs; two tiles share two rows or columns. The 36
// products are independent, so that each is one matrix product over all
// channels and many tiles. In one dimension it is a product of polynomials by
// their values at 0, ±a, ±b and infinity; a = √½ and b = √2 keep rounding errors
// at twice those of plain sums (measured in winograd_test.go; ±1 and ±2 have
// four times). Row by row, the factors of a row being ours to share out between
// Bᵀ and G:
//
//	     0  1, 0, -5/2, 0, 1, 0          1, 0, 0                 1, 0, 0, 0
//	    ±a  0, ∓2a, -2, ±a, 1, 0        -2/3·(1, ±a, 1/2)        1, ±a, 1/2, ±a/2
//	    ±b  0, ±b/4, 1/4, ∓b/2, -1/2, 0 -1/3·(1, ±b, 2)          1, ±b, 2, ±2b
//	     ∞  0, 1, 0, -5/2, 0, 1          0, 0, 1                 0, 0, 0, 1
//	        Bᵀ                           G                       A
//
// As b is 1/a, the window turned around, which gradients of the input need, has
// the same transform in another order: 0 and ∞, a and b change places.
// Gradients of weights are Gᵀ[(A·dy·Aᵀ) ⊙ (Bᵀ·x·B)]G, summed over the tiles.

// The sides of a tile of outputs and of the inputs they see.
const (
	tileOut  = 4
	tileIn   = 6
	tileSize = tileIn * tileIn
)

// turnedPoint is where a point's value goes when the window is turned around.
var turnedPoint = [tileIn]int{5, 3, 4, 1, 2, 0}

// turned is the plane of the turned window that holds the same values as plane p.
func turned(p int) int { return turnedPoint[p/tileIn]*tileIn + turnedPoint[p%tileIn] }

const (
	// minTileChannels is the fewest channels in and out for which the products
	// saved outweigh the transforms; maxTileWeights the most weights of a pixel of
	// the window, above which reading four times as many costs more than that.
	minTileChannels = 16
	maxTileWeights  = 1 << 16

	// minTileGradients is the fewest tiles of an image for which gradients of
	// weights are summed in planes: fewer do not pay for reading the planes.
	minTileGradients = 4
)

// tilesAtOnce is how many tiles are multiplied at once: the more, the less often
// the weights' planes are read, but the farther away is the cache that holds the
// tiles' own. It is a multiple of all sets' rows.
func tilesAtOnce(in, out int) int {
	const rows = 24
	return max((in*out/(in+out)+rows/2)/rows, 1) * rows
}

// tiled says whether the Set computes c by tiles. It must not depend on what
// differs between the uses of packed weights.
func (s *Set) tiled(c Conv) bool {
	return s.tiles != nil && c.KernelH == 3 && c.KernelW == 3 && c.Stride == 1 && !c.Upsample &&
		min(c.Cin, c.Cout) >= minTileChannels && c.Cin*c.Cout <= maxTileWeights
}

// tileArgs are those of the transforms, of n channels or weights each. Planes
// are plane apart, rows of pixels pitch, pixels stride. scratch has room for
// 36 vectors.
//
//	tileInput           to[36 planes] = Bᵀ·x·B of 6×6 pixels x
//	tileOutput          to = Aᵀ·x·A + bias + from, of 36 planes x, for rows×cols
//	                    pixels; negative ones are 0 if relu is not 0
//	tileGradient        to[36 planes] = A·x·Aᵀ of 4×4 pixels x, a panel of
//	                    channels each panel values, filled up with zeros
//	tileWeights         to[36 planes] = G·x·Gᵀ of 3×3 pixels x
//	tileWeightGradient  to[3×3 pixels] += Gᵀ·x·G of 36 planes x
type tileArgs struct {
	to, x, bias, from, scratch                       []float32
	n, plane, pitch, stride, rows, cols, panel, relu int
}

// planes are 36 matrices of rows, one for each of a tile's values.
type planes struct {
	values        []float32
	stride, apart int // distances of rows and of planes
}

// spaced is n rounded up so that planes so far apart do not compete for a few
// sets of a cache: an odd number of lines.
func spaced(n int) int { return (roundUp(n, lineElems)/lineElems | 1) * lineElems }

// planes takes scratch for 36 planes of rows of n values.
func (ws *Workspace) planes(rows, n int) planes {
	apart := spaced(rows * n)
	return planes{values: ws.float32s(tileSize * apart), stride: n, apart: apart}
}

// at is the values from row r of plane p on.
func (p planes) at(plane, row int) []float32 { return p.values[plane*p.apart+row*p.stride:] }

// tiling is a convolution cut into tiles: where the first one's inputs begin
// and how many there are in an image.
type tiling struct {
	in, out       images
	top, left     int
	down, across  int
	patch, border []float32 // a tile's pixels, where the image does not hold them all
}

// tiling of outputs out that a window sees inputs in for.
func (ws *Workspace) tiling(in, out images, down, across axis) tiling {
	return tiling{
		in: in, out: out, top: down.first, left: across.first,
		down: tilesIn(out.h), across: tilesIn(out.w),
		patch: ws.float32s(tileSize * in.c), border: ws.float32s(tileOut * tileOut * out.c),
	}
}

// count is the tiles of all images.
func (t tiling) count() int { return t.in.n * t.down * t.across }

// place is tile i's image and its first output pixel.
func (t tiling) place(i int) (image, y, x int) {
	return i / (t.down * t.across), i / t.across % t.down * tileOut, i % t.across * tileOut
}

// window finds the size×size pixels from (y, x) on of an image of im: where
// they lie in it, or in patch, to which those inside are copied if some are
// outside.
func window(im images, image []float32, y, x, size int, patch []float32) (pixels []float32, pitch int) {
	if y >= 0 && x >= 0 && y+size <= im.h && x+size <= im.w {
		return image[(y*im.w+x)*im.c:], im.w * im.c
	}
	pitch = size * im.c
	left, right := max(-x, 0), max(min(im.w-x, size), 0)
	for row := range size {
		to := patch[row*pitch:][:pitch]
		if y+row < 0 || y+row >= im.h || left >= right {
			clear(to)
			continue
		}
		clear(to[:left*im.c])
		clear(to[right*im.c:])
		copy(to[left*im.c:], image[((y+row)*im.w+x+left)*im.c:][:(right-left)*im.c])
	}
	return patch, pitch
}

// inputTile transforms tile i of x to row r of v.
func (s *Set) inputTile(ws *Workspace, t tiling, v planes, r int, x []float32, i int) {
	a := &ws.tileArgs
	image, top, left := t.place(i)
	a.x, a.pitch = window(t.in, x[t.in.size(image):], top+t.top, left+t.left, tileIn, t.patch)
	a.to, a.plane, a.stride, a.n = v.at(0, r), v.apart, t.in.c, t.in.c
	s.vec.tileInput(a)
}

// slideTiles is slide for a window that is computed by tiles.
func (s *Set) slideTiles(ws *Workspace, out images, y []float32, in images, x []float32, forms []*form, down, across axis, start Start, relu bool) {
	mustHave("input", x, in.size(in.n))
	mustHave("output", y, out.size(out.n))
	if start.From != nil {
		mustHave("output to start from", start.From, out.size(out.n))
	}
	defer ws.release(ws.mark())
	defer func() { ws.tileArgs = tileArgs{} }()
	t := ws.tiling(in, out, down, across)
	bias, none := s.tiles.biases(ws, start, out), s.tiles.biases(ws, Start{}, out)
	group := min(tilesAtOnce(in.c, out.c), t.count())
	v, m := ws.planes(group, in.c), ws.planes(group, out.c)
	rows := table{x: ws.offsets(group, v.stride), y: ws.offsets(group, m.stride), rows: 1}
	ws.tileArgs.scratch = ws.float32s(tileSize * lineElems)
	for i := 0; i < t.count(); i += group {
		n := min(group, t.count()-i)
		for r := range n {
			s.inputTile(ws, t, v, r, x, i+r)
		}
		for p, f := range forms {
			s.multiply(ws, f, m.at(p, 0), nil, v.at(p, 0), rows.images(n), 0, none, false)
		}
		for r := range n {
			s.outputTile(ws, t, y, start.From, m, r, i+r, bias, relu)
		}
	}
}

// outputTile transforms row r of m to tile i of y.
func (s *Set) outputTile(ws *Workspace, t tiling, y, from []float32, m planes, r, i int, bias biases, relu bool) {
	a := &ws.tileArgs
	image, top, left := t.place(i)
	width := t.out.slot.width(t.out.c)
	at := t.out.size(image) + (top*t.out.w+left)*width + t.out.slot.At
	a.to, a.from, a.relu = y[at:], nil, 0
	if from != nil {
		a.from = from[at:]
	}
	if relu {
		a.relu = 1
	}
	a.x, a.plane, a.bias, a.n = m.at(0, r), m.apart, bias.row(image), t.out.c
	a.pitch, a.stride = t.out.w*width, width
	a.rows, a.cols = min(tileOut, t.out.h-top), min(tileOut, t.out.w-left)
	s.vec.tileOutput(a)
}

// offsets takes n integers, each stride more than the one before.
func (ws *Workspace) offsets(n, stride int) []int32 {
	at := ws.int32s(n)
	for i := range at {
		at[i] = int32(i * stride)
	}
	return at
}

// tiledWeights is ConvBackwardWeights by tiles, without the bias.
func (s *Set) tiledWeights(ws *Workspace, dw, x, dy []float32, c Conv) {
	defer ws.release(ws.mark())
	defer func() { ws.tileArgs = tileArgs{} }()
	down, across := c.forward(0)
	t, g := ws.tiling(c.input(), c.output(), down, across), s.tiles
	group := min(tilesAtOnce(c.Cin, c.Cout), t.count())
	v, d := ws.planes(group, scattered(c.Cin)), ws.planes(group, g.padded(c.Cout))
	u := ws.planes(1, c.Cin*c.Cout)
	clear(u.values)
	at := ws.offsets(group, v.stride)
	a := &ws.tileArgs
	a.scratch = ws.float32s(tileSize * lineElems)
	for i := 0; i < t.count(); i += group {
		n := min(group, t.count()-i)
		for r := range n {
			s.inputTile(ws, t, v, r, x, i+r)
			image, top, left := t.place(i + r)
			a.x, a.pitch = window(t.out, dy[t.out.size(image):], top, left, tileOut, t.border)
			a.to, a.plane, a.stride, a.n, a.panel = d.at(0, 0)[r*g.width:], d.apart, c.Cout, c.Cout, n*g.width
			s.vec.tileGradient(a)
		}
		for p := range tileSize {
			s.correlate(ws, g, u.at(p, 0), v.at(p, 0), d.at(p, 0), at[:n], framing{images: images{c: c.Cin}, stride: v.stride}, 1, 1, c.Cout)
		}
	}
	for i := 0; i < c.Cin*c.Cout; i += tileBlock {
		a.x, a.plane, a.n = u.at(0, 0)[i:], u.apart, min(tileBlock, c.Cin*c.Cout-i)
		a.to, a.pitch, a.stride = dw[i:], 3*c.Cin*c.Cout, c.Cin*c.Cout
		s.vec.tileWeightGradient(a)
	}
}

// tileBlock is how many weights one call transforms.
const tileBlock = 1 << 10

// newTileForms allocates the 36 planes of a window's weights.
func (g *gemm) newTileForms(in, out int) (forms []*form) {
	one := axis{span: span{count: 1}}
	for range tileSize {
		forms = append(forms, g.newForm(one, one, in, out, false))
	}
	return forms
}

// packTiles fills p's planes from w, [3][3][Cin][Cout], as many input channels
// at a time as the backward form has in a panel.
func (s *Set) packTiles(p *Packed, w []float32) {
	cin, cout, width := p.conv.Cin, p.conv.Cout, s.tiles.width
	size := width * cout
	apart := spaced(size)
	scratch := p.sum[tileSize*apart:]
	for i := 0; i < cin; i += width {
		rows := min(width, cin-i)
		a := &p.tileArgs
		*a = tileArgs{plane: apart, pitch: 3 * cin * cout, stride: cin * cout, scratch: scratch}
		for j := 0; j < rows*cout; j += tileBlock {
			a.to, a.x, a.n = p.sum[j:], w[i*cout+j:], min(tileBlock, rows*cout-j)
			s.vec.tileWeights(a)
		}
		for k := range tileSize {
			plane := p.sum[k*apart:][:rows*cout]
			f := p.forward[k]
			for j := 0; j < cout; j += width {
				to, cols := f.panel(j)[i*width:], min(width, cout-j)
				for r := range rows {
					copy(to[r*width:][:cols], plane[r*cout+j:][:cols])
				}
			}
			if p.backward != nil {
				s.vec.turn(p.backward[turned(k)].panel(i), width, plane, cout, rows, cout)
			}
		}
	}
}

// tiles is how many tiles an image's outputs make.
func (c Conv) tiles() int {
	h, w := c.Out()
	return tilesIn(h) * tilesIn(w)
}

// tilesIn is how many tiles n outputs in a row make.
func tilesIn(n int) int { return (n + tileOut - 1) / tileOut }
