package kernel

// SquaredError writes each image's Σ(y−target)², summed in float64, to loss[i]
// and the gradient 2·scale·(y−target) to dy, which may be nil. y and target
// are n images of size values.
func (s *Set) SquaredError(dy, y, target []float32, n, size int, scale float32, loss []float64) {
	for i := range n {
		loss[i] = 0
		inBlocks(size, func(j, k int) {
			j, k = i*size+j, i*size+k
			var d []float32
			if dy != nil {
				d = dy[j:k]
			}
			loss[i] += s.vec.squaredError(d, y[j:k], target[j:k], 2*scale)
		})
	}
}
