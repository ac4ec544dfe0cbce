package plot

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// cellBits of each channel make a colour's cell: 32,768 cells in all.
const cellBits = 5

// cell is the sum and number of the pixels whose colour falls into one cube.
type cell struct {
	index int // of the cube
	n     int
	sum   [3]int
}

func (c *cell) mean(channel int) int { return c.sum[channel] / c.n }

type histogram [1 << (3 * cellBits)]cell

func cellOf(rgb []uint8) int {
	const shift = 8 - cellBits
	return int(rgb[0]>>shift)<<(2*cellBits) | int(rgb[1]>>shift)<<cellBits | int(rgb[2]>>shift)
}

// add counts the pixels of g.
func (h *histogram) add(g *image.NRGBA) {
	for i := 0; i < len(g.Pix); i += 4 {
		c := &h[cellOf(g.Pix[i:])]
		c.n++
		for channel := range 3 {
			c.sum[channel] += int(g.Pix[i+channel])
		}
	}
}

// medianCut is Heckbert's (1982): the box of cells with the most pixels times
// range is cut at its median along its widest channel, until there are as many
// boxes as colours. It returns each box's mean colour, and each cell's box.
func (h *histogram) medianCut(colours int) (color.Palette, []uint8) {
	var used []cell
	for i := range h {
		if c := h[i]; c.n > 0 {
			c.index = i
			used = append(used, c)
		}
	}
	boxes := []box{newBox(used)}
	for len(boxes) < colours {
		i := 0
		for j, b := range boxes {
			if b.weight() > boxes[i].weight() {
				i = j
			}
		}
		if boxes[i].weight() == 0 {
			break // every colour has its own entry
		}
		low, high := boxes[i].cut()
		boxes[i] = low
		boxes = append(boxes, high)
	}
	palette, index := make(color.Palette, len(boxes)), make([]uint8, len(h))
	for i, b := range boxes {
		palette[i] = b.colour()
		for _, c := range b.cells {
			index[c.index] = uint8(i)
		}
	}
	return palette, index
}

// box is a set of cells, with the channel in which they differ most.
type box struct {
	cells   []cell
	n       int
	widest  int
	breadth int
}

func newBox(cells []cell) box {
	b := box{cells: cells}
	for channel := range 3 {
		low, high := 255, 0
		for i := range cells {
			low, high = min(low, cells[i].mean(channel)), max(high, cells[i].mean(channel))
		}
		if high-low > b.breadth {
			b.widest, b.breadth = channel, high-low
		}
	}
	for i := range cells {
		b.n += cells[i].n
	}
	return b
}

// weight is 0 where the box cannot be cut.
func (b box) weight() int { return b.n * b.breadth }

// cut splits b, of two cells or more, where half of its pixels lie on each side.
func (b box) cut() (low, high box) {
	slices.SortFunc(b.cells, func(x, y cell) int {
		return cmp.Or(cmp.Compare(x.mean(b.widest), y.mean(b.widest)), cmp.Compare(x.index, y.index))
	})
	at, seen := 1, b.cells[0].n
	for at < len(b.cells)-1 && seen < b.n/2 {
		seen += b.cells[at].n
		at++
	}
	return newBox(b.cells[:at]), newBox(b.cells[at:])
}

// colour is the mean of b's pixels.
func (b box) colour() color.Color {
	var sum [3]int
	for i := range b.cells {
		for channel := range 3 {
			sum[channel] += b.cells[i].sum[channel]
		}
	}
	return color.NRGBA{uint8(sum[0] / b.n), uint8(sum[1] / b.n), uint8(sum[2] / b.n), 255}
}
