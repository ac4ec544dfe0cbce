package kernel

import "fmt"

// AddChannels writes y[i][p][c] = x[i][p][c] + e[i][c]: a vector for each of n
// images of hw pixels and c channels. y may be x.
func (s *Set) AddChannels(y, x, e []float32, n, hw, c int) {
	for i := range n {
		xi, yi := x[i*hw*c:(i+1)*hw*c], y[i*hw*c:(i+1)*hw*c]
		inRows(hw, c, func(j, k int) { s.vec.addRow(yi[j:k], xi[j:k], e[i*c:(i+1)*c]) })
	}
}

// SumPixels writes de[i][c] = Σ_p dy[i][p][c], the gradient of AddChannels's e.
func (s *Set) SumPixels(de, dy []float32, n, hw, c int) {
	for i := range n {
		s.vec.sumRows(de[i*c:(i+1)*c], dy[i*hw*c:(i+1)*hw*c])
	}
}

// Slot is some of the channels of wider pixels: those from At on, of Of. The
// zero Slot is all channels of pixels that have no others.
type Slot struct{ At, Of int }

// width is the channels from one pixel to the next where c of them are in the slot.
func (o Slot) width(c int) int {
	if o == (Slot{}) {
		return c
	}
	if o.At < 0 || o.At+c > o.Of {
		panic(fmt.Sprintf("kernel: %d channels from %d on of %d", c, o.At, o.Of))
	}
	return o.Of
}

// PutChannels copies x [rows][c] to a slot of y [rows][slot.Of].
func (s *Set) PutChannels(y, x []float32, rows int, slot Slot) {
	c := len(x) / rows
	s.copyColumns(y[slot.At:], slot.width(c), x, c, rows, c)
}

// TakeChannels copies a slot of x [rows][slot.Of] to y [rows][c].
func (s *Set) TakeChannels(y, x []float32, rows int, slot Slot) {
	c := len(y) / rows
	s.copyColumns(y, c, x[slot.At:], slot.width(c), rows, c)
}

// copyColumns copies rows of cols values, ldd and lds values apart.
func (s *Set) copyColumns(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	step := max(block/cols, 1)
	for r := 0; r < rows; r += step {
		s.vec.copyRows(dst[r*ldd:], ldd, src[r*lds:], lds, min(step, rows-r), cols, 1)
	}
}
