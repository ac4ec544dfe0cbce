package kernel

// Leaky is fast.ai's GeneralRelu: x, or Slope·x where that is greater, plus
// Shift. Slope is at most 1; the lesson's is 0.1, its Shift −0.4. Slope 1 and
// Shift 0 change nothing.
type Leaky struct{ Slope, Shift float32 }

// none says that l changes nothing.
func (l Leaky) none() bool { return l == Leaky{Slope: 1} }

// Leaky writes l of x to y, which may be x.
func (s *Set) Leaky(y, x []float32, l Leaky) {
	inBlocks(len(x), func(i, j int) { s.vec.leaky(y[i:j], x[i:j], l) })
}

// LeakyBackward writes to dx, which may be dy, the gradient of Leaky's input
// from that of its output y.
func (s *Set) LeakyBackward(dx, dy, y []float32, l Leaky) {
	inBlocks(len(y), func(i, j int) { s.vec.leakyBackward(dx[i:j], dy[i:j], y[i:j], l) })
}
