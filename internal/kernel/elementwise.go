package kernel

// SiLU writes x·σ(x) to y.
func (s *Set) SiLU(y, x []float32) {
	inBlocks(len(x), func(i, j int) { s.vec.silu(y[i:j], x[i:j]) })
}

// SiLUBackward writes dy·(x·σ(x))' to dx.
func (s *Set) SiLUBackward(dx, dy, x []float32) {
	inBlocks(len(x), func(i, j int) { s.vec.siluBackward(dx[i:j], dy[i:j], x[i:j]) })
}

// Add writes a+b to y, which may be a or b.
func (s *Set) Add(y, a, b []float32) {
	inBlocks(len(y), func(i, j int) { s.vec.add(y[i:j], a[i:j], b[i:j]) })
}

// AddTo adds src to dst.
func (s *Set) AddTo(dst, src []float32) { s.Add(dst, dst, src) }

// Combine writes a·x + b·y + c·z to dst, which may be any of them; y or z may
// be nil. A sampler's step is one such sum.
func (s *Set) Combine(dst []float32, a float32, x []float32, b float32, y []float32, c float32, z []float32) {
	if y == nil {
		b, y, z = c, z, nil
	}
	inBlocks(len(dst), func(i, j int) {
		d := dst[i:j]
		switch {
		case y == nil:
			s.vec.scale(d, a, x[i:j])
		case z == nil:
			s.vec.combine(d, a, x[i:j], b, y[i:j])
		default:
			s.vec.combine3(d, a, x[i:j], b, y[i:j], c, z[i:j])
		}
	})
}

// SumSquares is Σx² in float64, in an order that depends on len(x) only.
func (s *Set) SumSquares(x []float32) float64 {
	var sum float64
	inBlocks(len(x), func(i, j int) { sum += s.vec.sumSquares(x[i:j]) })
	return sum
}

// AllFinite says whether x holds neither a NaN nor an infinity.
func (s *Set) AllFinite(x []float32) bool {
	for i := 0; i < len(x); i += block {
		if !s.vec.allFinite(x[i:min(i+block, len(x))]) {
			return false
		}
	}
	return true
}
