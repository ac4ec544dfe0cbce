package op

import (
	"fmt"

	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
	"diffuse/internal/profile"
)

// What ops cost for one image, activations only: weights are read once for many.

const float32Bytes = 4

// passWork is passes over the values of one image of a batch of this shape.
func (b *Graph) passWork(batch tensor.Shape, passes int) profile.Work {
	values := float64(batch.TotalSize() / b.N)
	return profile.Work{Bytes: float32Bytes * values * float64(passes)}
}

// copyWork is one pass over an image of x and one of y.
func (b *Graph) copyWork(x, y tensor.Shape) profile.Work {
	w := b.passWork(x, 1)
	w.Bytes += b.passWork(y, 1).Bytes
	return w
}

// convWork is a convolution's; its gradients cost the same.
func (b *Graph) convWork(geometry func(n int) kernel.Conv) profile.Work {
	c := geometry(1)
	h, w := c.Out()
	outputs := float64(c.N * h * w * c.Cout)
	taps := float64(c.KernelH * c.KernelW * c.Cin)
	if c.Upsample {
		taps *= 4. / 9 // of a window's 9 inputs, 4 differ
	}
	return profile.Work{
		Flops: 2 * outputs * taps,
		Bytes: float32Bytes * (outputs + float64(c.N*c.H*c.W*c.Cin)),
	}
}

// convSize is how a convolution or linear layer is told from others.
func convSize(c kernel.Conv) string {
	form := ""
	switch {
	case c.Window == kernel.Square(1):
		return fmt.Sprintf("%d→%d of %d", c.Cin, c.Cout, c.H*c.W)
	case c.Upsample:
		form = " enlarged"
	case c.Stride == 2:
		form = " halved"
	}
	return fmt.Sprintf("%d×%d %d→%d at %d×%d%s", c.KernelH, c.KernelW, c.Cin, c.Cout, c.H, c.W, form)
}

// attentionWork is products of tokens×tokens×channels each, and so many passes
// over queries, keys, values or outputs.
func (b *Graph) attentionWork(shape tensor.Shape, products, passes int) profile.Work {
	w := b.passWork(shape, passes)
	channels := shape[len(shape)-1]
	tokens := shape.TotalSize() / (b.N * channels)
	w.Flops = float64(products) * 2 * float64(tokens) * float64(tokens) * float64(channels)
	return w
}
