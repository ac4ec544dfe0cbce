package model

import (
	"math"

	G "gorgonia.org/gorgonia"

	"diffuse/internal/kernel"
	"diffuse/internal/op"
)

// PyTorch's defaults of BatchNorm.
const (
	batchNormEps      = 1e-5
	batchNormMomentum = 0.1
)

// normed is a convolution or linear layer with a BatchNorm behind it. To learn,
// it normalises by the micro-batch's statistics; to predict, by the running
// ones, which are folded into its weights.
type normed struct {
	name, normName string
	weight, bias   *Param // the linear layer has no bias
	gamma, beta    *Param
	mean, variance *Param      // running
	shape          kernel.Conv // all but the images' number and size
	pixels         int         // of an image of the output

	learning op.Filter // weights as they are
	filter   op.Filter // weights to predict with
	shift    []float32 // and bias
}

func (n *normed) apply(b *builder, x *G.Node, act kernel.Leaky, needDX bool) (y *G.Node) {
	if !b.learning {
		b.Scope(n.name, func() {
			y = b.Conv(x, b.param(n.weight), b.Param(n.name+".shift", n.shift, len(n.shift)), n.filter, n.shape, needDX)
			if act != bare {
				y = b.Leaky(y, act)
			}
		})
		return y
	}
	b.Scope(n.name, func() {
		if n.bias == nil {
			y = b.Linear(x, b.param(n.weight), nil, n.learning)
		} else {
			y = b.Conv(x, b.param(n.weight), b.param(n.bias), n.learning, n.shape, needDX)
		}
	})
	b.Scope(n.normName, func() {
		y = b.BatchNorm(y, b.param(n.gamma), b.param(n.beta), n.mean.Name, n.variance.Name, op.Batch{Eps: batchNormEps, Leaky: act})
	})
	return y
}

// fold derives the weights to predict with: gamma·rstd·w, and the bias that goes
// with them.
func (r *ResNet) fold() {
	data := r.params.Data
	var scaled []float32
	for _, n := range r.norms {
		w, scale := n.weight.At(data), make([]float32, n.shape.Cout)
		for j, v := range n.variance.At(data) {
			scale[j] = float32(float64(n.gamma.At(data)[j]) / math.Sqrt(float64(v)+batchNormEps))
			n.shift[j] = n.beta.At(data)[j] - n.mean.At(data)[j]*scale[j]
			if n.bias != nil {
				n.shift[j] += n.bias.At(data)[j] * scale[j]
			}
		}
		scaled = append(scaled[:0], w...)
		for i := range scaled { // output channels are the fastest index
			scaled[i] *= scale[i%n.shape.Cout]
		}
		r.back.Pack(n.filter, scaled)
	}
}

// Track moves the running statistics by a batch's: sum holds, for so many
// images, their shares of each channel's mean and mean square. The variance is
// the batch's unbiased one, as PyTorch's.
func (r *ResNet) Track(sum []float32, images int) {
	for _, n := range r.norms {
		values := float64(images * n.pixels)
		means, squares := n.mean.At(sum), n.variance.At(sum)
		running, variance := n.mean.At(r.params.Data), n.variance.At(r.params.Data)
		for j := range running {
			mean := float64(means[j]) / float64(images)
			v := max(0, float64(squares[j])/float64(images)-mean*mean) * values / max(1, values-1)
			running[j] += float32(batchNormMomentum * (mean - float64(running[j])))
			variance[j] += float32(batchNormMomentum * (v - float64(variance[j])))
		}
	}
}
