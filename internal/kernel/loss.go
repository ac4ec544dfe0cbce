package kernel

import (
	"math"
	"slices"
)

// SquaredError writes each image's weight·Σ(y−target)², summed in float64, to
// loss[i] and the gradient 2·scale·weight·(y−target) to dy, which may be nil. y
// and target are n images of size values, weights has one an image.
func (s *Set) SquaredError(dy, y, target []float32, n, size int, scale float32, weights []float32, loss []float64) {
	for i := range n {
		loss[i] = 0
		inBlocks(size, func(j, k int) {
			j, k = i*size+j, i*size+k
			var d []float32
			if dy != nil {
				d = dy[j:k]
			}
			loss[i] += s.vec.squaredError(d, y[j:k], target[j:k], 2*scale*weights[i])
		})
		loss[i] *= float64(weights[i])
	}
}

// CrossEntropy writes each image's −log softmax(y)[label] to loss[i] and, unless
// dy is nil, scale·(softmax(y) − onehot(label)) to dy. y is n rows of one logit a
// class; labels are whole numbers.
func CrossEntropy(dy, y, labels []float32, n int, scale float32, loss []float64) {
	classes := len(y) / n
	for i := range n {
		row := y[i*classes:][:classes]
		top, sum := float64(slices.Max(row)), 0.0
		for _, v := range row {
			sum += math.Exp(float64(v) - top)
		}
		label := int(labels[i])
		loss[i] = top + math.Log(sum) - float64(row[label])
		if dy == nil {
			continue
		}
		for j, v := range row {
			p := math.Exp(float64(v)-top) / sum
			if j == label {
				p--
			}
			dy[i*classes+j] = float32(float64(scale) * p)
		}
	}
}
