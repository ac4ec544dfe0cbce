package op

import (
	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
)

// Backend makes devices for the workers of a net and holds what they share: the
// weights in the form its kernels want.
type Backend interface {
	NewDevice() Device
	// NewFilter makes room for the weights of a convolution or linear layer;
	// grad says whether their gradients will be needed.
	NewFilter(c kernel.Conv, grad bool) Filter
	// Pack fills f from weights in compute layout, (ky, kx, in, out).
	Pack(f Filter, w []float32)
}

// Filter is a layer's weights as a Backend holds them.
type Filter any

// Device does the arithmetic that ops ask for. It belongs to one worker.
// Images are NHWC; n is the number of images at the front of the tensors to
// work on, rows the number of channel vectors. Gradients of parameters are
// added to, everything else is overwritten.
type Device interface {
	// New is a tensor of zeros in this device's memory.
	New(shape ...int) *tensor.Dense
	// View is another shape over t's memory.
	View(t *tensor.Dense, shape ...int) *tensor.Dense
	// Images is n images of t's memory, from number lo on.
	Images(t *tensor.Dense, lo, n int) *tensor.Dense

	// Conv adds the bias, rows, one for each image, and from, shaped as y, unless
	// they are nil.
	Conv(y, x *tensor.Dense, f Filter, bias, rows, from *tensor.Dense, c kernel.Conv)
	// ConvBackwardData adds from, shaped as dx, unless it is nil.
	ConvBackwardData(dx, dy *tensor.Dense, f Filter, from *tensor.Dense, c kernel.Conv)
	// ConvBackwardWeights adds to db unless it is nil.
	ConvBackwardWeights(dw, db, x, dy *tensor.Dense, c kernel.Conv)

	GroupNorm(y, mean, rstd, x, gamma, beta *tensor.Dense, n int, g Norm)
	// GroupNormBackward adds from, shaped as dx, unless it is nil.
	GroupNormBackward(dx, dgamma, dbeta, dy, x, mean, rstd, gamma, beta, from *tensor.Dense, n int, g Norm)

	// BatchNorm adds n times each channel's mean and mean square to toMean and
	// toSquare.
	BatchNorm(y, mean, rstd, toMean, toSquare, x, gamma, beta *tensor.Dense, n int, norm Batch)
	// BatchNormBackward adds from, shaped as dx, unless it is nil.
	BatchNormBackward(dx, dgamma, dbeta, dy, x, y, mean, rstd, gamma, from *tensor.Dense, n int, norm Batch)

	Attention(o, lse, q, k, v *tensor.Dense, n, heads int)
	AttentionBackward(dq, dk, dv, do, o, lse, q, k, v *tensor.Dense, n, heads int)

	MaxPool(y, x *tensor.Dense, p kernel.Pool)
	AvgPool(y, x *tensor.Dense, p kernel.Pool)
	AvgPoolBackward(dx, dy *tensor.Dense, p kernel.Pool)
	GlobalAvgPool(y, x *tensor.Dense, n int)
	GlobalAvgPoolBackward(dx, dy *tensor.Dense, n int)

	SiLU(y, x *tensor.Dense, n int)
	SiLUBackward(dx, dy, x *tensor.Dense, n int)
	Leaky(y, x *tensor.Dense, n int, l kernel.Leaky)
	LeakyBackward(dx, dy, y *tensor.Dense, n int, l kernel.Leaky)
	Add(y, a, b *tensor.Dense, n int)
	AddChannels(y, x, e *tensor.Dense, n int)
	SumPixels(de, dy *tensor.Dense, n int)
	Concat(y *tensor.Dense, xs []*tensor.Dense, n int)
	Split(dxs []*tensor.Dense, dy *tensor.Dense, n int)
	Resize(y, x *tensor.Dense, r kernel.Resize)
	Embed(y, t *tensor.Dense, n int)
	Lookup(y, table, index *tensor.Dense, n int)
	LookupBackward(dtable, dy, index *tensor.Dense, n int)
	SquaredError(dy, y, target *tensor.Dense, n int, scale float32, weights []float32, loss []float64)
	CrossEntropy(dy, y, labels *tensor.Dense, n int, scale float32, loss []float64)

	AllFinite(x []float32) bool
}

// Norm is the geometry of a group normalisation.
type Norm struct {
	Groups int
	Eps    float32
	SiLU   bool // apply silu(u) = u·sigmoid(u) to the result
}
