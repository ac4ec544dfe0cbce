package kernel

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

// Concat joins the channels of a [rows][ca] and b [rows][cb] in y [rows][ca+cb].
func (s *Set) Concat(y, a, b []float32, rows, ca, cb int) {
	s.copyColumns(y, ca+cb, a, ca, rows, ca)
	s.copyColumns(y[ca:], ca+cb, b, cb, rows, cb)
}

// Split is Concat's gradient: it parts dy [rows][ca+cb] into da and db.
func (s *Set) Split(da, db, dy []float32, rows, ca, cb int) {
	s.copyColumns(da, ca, dy, ca+cb, rows, ca)
	s.copyColumns(db, cb, dy[ca:], ca+cb, rows, cb)
}

// copyColumns copies rows of cols values, ldd and lds values apart.
func (s *Set) copyColumns(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	step := max(block/cols, 1)
	for r := 0; r < rows; r += step {
		s.vec.copyRows(dst[r*ldd:], ldd, src[r*lds:], lds, min(step, rows-r), cols, 1)
	}
}
