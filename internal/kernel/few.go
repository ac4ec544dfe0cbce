package kernel

// A convolution to few channels, such as a U-Net's last one, would leave most of
// a panel's columns empty. Instead each input pixel is multiplied by the weights
// of all of the window's positions at once, and an output pixel is the sum of what
// the pixels under its window say for it (col2im). Gradients of weights are those
// of the products, whose own are the output's, copied to where each was seen
// (im2col).

// minFewChannels is the fewest channels in for which that pays.
const minFewChannels = 16

// few says whether the Set computes c so. It must not depend on what differs
// between the uses of packed weights.
func (s *Set) few(c Conv) bool {
	return !c.single() && c.Stride == 1 && !c.Upsample && c.Cin >= minFewChannels && c.products().Cout <= s.gemm.width
}

// products is the multiplication of an image's pixels by the weights of all
// positions, [Cin][ky][kx][Cout], as a convolution.
func (c Conv) products() Conv {
	return Conv{N: 1, H: c.H, W: c.W, Cin: c.Cin, Cout: c.KernelH * c.KernelW * c.Cout, Window: Square(1), Stride: 1}
}

// fewForward is ConvForward to few channels.
func (s *Set) fewForward(ws *Workspace, y, x []float32, p *Packed, start Start, c Conv) {
	defer ws.release(ws.mark())
	in, out, each := c.input(), c.output(), c.products()
	out.slot = c.Into
	mustHave("input", x, in.size(in.n))
	mustHave("output", y, out.size(out.n))
	bias, width := s.gemm.biases(ws, start, out), out.slot.width(out.c)
	products := ws.float32s(each.H * each.W * each.Cout)
	for i := range in.n {
		s.ConvForward(ws, products, x[in.size(i):][:in.size(1)], p.few, Start{}, each)
		image := y[out.size(i):][:out.size(1)]
		var from []float32
		if start.From != nil {
			from = start.From[out.size(i):]
		}
		s.startRows(image, from, bias.row(i), 1, out)
		image = image[out.slot.At:]
		c.seen(func(position, to, from, n int) {
			addPixels(image[to*width:], width, products[from*each.Cout+position*c.Cout:], each.Cout, n, c.Cout)
		})
		if c.ReLU {
			reluPixels(image, width, out.h*out.w, c.Cout)
		}
	}
}

// fewWeights is ConvBackwardWeights of few channels, but for those of the bias.
func (s *Set) fewWeights(ws *Workspace, dw, x, dy []float32, c Conv) {
	defer ws.release(ws.mark())
	in, out, each := c.input(), c.output(), c.products()
	sums, products := ws.float32s(each.Weights()), ws.float32s(each.H*each.W*each.Cout)
	clear(sums)
	for i := range in.n {
		clear(products)
		c.seen(func(position, to, from, n int) {
			addPixels(products[from*each.Cout+position*c.Cout:], each.Cout, dy[out.size(i)+to*c.Cout:], c.Cout, n, c.Cout)
		})
		s.ConvBackwardWeights(ws, sums, nil, x[in.size(i):][:in.size(1)], products, each)
	}
	for position := range c.KernelH * c.KernelW {
		addPixels(dw[position*c.Cin*c.Cout:], c.Cout, sums[position*c.Cout:], each.Cout, c.Cin, c.Cout)
	}
}

// packFew fills p from w, [ky][kx][Cin][Cout].
func (s *Set) packFew(p *Packed, w []float32) {
	c := p.conv
	size, width := c.Cin*c.Cout, c.products().Cout
	for position := range c.KernelH * c.KernelW {
		s.PutChannels(p.sum, w[position*size:][:size], c.Cin, Slot{At: position * c.Cout, Of: width})
	}
	s.Pack(p.few, p.sum)
}

// seen calls f for each stretch of pixels that a position of the window sees: n
// of a row of the output from pixel to on see those of the input from pixel from on.
func (c Conv) seen(f func(position, to, from, n int)) {
	h, w := c.Out()
	for y := range h {
		for ky := range c.KernelH {
			row := y + ky - c.PadH
			if row < 0 || row >= c.H {
				continue
			}
			for kx := range c.KernelW {
				shift := kx - c.PadW
				lo, hi := max(0, -shift), min(w, c.W-shift)
				if lo < hi {
					f(ky*c.KernelW+kx, y*w+lo, row*c.W+lo+shift, hi-lo)
				}
			}
		}
	}
}

// addPixels adds c channels of n pixels of x, distance apart, to y, stride apart.
func addPixels(y []float32, stride int, x []float32, distance, n, c int) {
	if c == 1 {
		for p := range n {
			y[p*stride] += x[p*distance]
		}
		return
	}
	for p := range n {
		from := x[p*distance:][:c]
		for j, v := range from {
			y[p*stride+j] += v
		}
	}
}

// reluPixels makes negative values of c channels of n pixels 0; a NaN stays one.
func reluPixels(y []float32, stride, n, c int) {
	for p := range n {
		for j, v := range y[p*stride:][:c] {
			if v < 0 {
				y[p*stride+j] = 0
			}
		}
	}
}
