package model

import (
	G "gorgonia.org/gorgonia"

	"diffuse/internal/kernel"
	"diffuse/internal/op"
)

// layer is a piece of a net that builds itself into a graph. Its output is the
// channels of the nodes behind each other: whoever needs it as one joins them.
type layer interface {
	apply(g *op.Graph, x *G.Node) G.Nodes
}

// chain is layers one after the other.
type chain []layer

func (c chain) apply(g *op.Graph, x *G.Node) G.Nodes {
	last := len(c) - 1
	return c[last].apply(g, c[:last].joined(g, x))
}

// joined is the output of all of c as one node.
func (c chain) joined(g *op.Graph, x *G.Node) *G.Node {
	for _, l := range c {
		if ys := l.apply(g, x); len(ys) == 1 {
			x = ys[0]
		} else {
			x = g.Concat(ys...)
		}
	}
	return x
}

// branches is layers side by side, all on the same input.
type branches []layer

func (b branches) apply(g *op.Graph, x *G.Node) (ys G.Nodes) {
	for _, l := range b {
		ys = append(ys, l.apply(g, x)...)
	}
	return ys
}

func (c *normedConv) apply(g *op.Graph, x *G.Node) (ys G.Nodes) {
	g.Scope(c.name, func() {
		ys = G.Nodes{g.ConvReLU(x, g.Param(c.name+".bias", c.bias, len(c.bias)), c.filter, c.shape)}
	})
	return ys
}

// maxPool and avgPool are poolings; avgPool counts no padding.
type (
	maxPool kernel.Pool
	avgPool kernel.Pool
)

func (p maxPool) apply(g *op.Graph, x *G.Node) G.Nodes { return G.Nodes{g.MaxPool(x, kernel.Pool(p))} }
func (p avgPool) apply(g *op.Graph, x *G.Node) G.Nodes { return G.Nodes{g.AvgPool(x, kernel.Pool(p))} }

var (
	halfMax = maxPool{Window: kernel.Valid(3, 3), Stride: 2}
	sameMax = maxPool{Window: kernel.Square(3), Stride: 1}
	sameAvg = avgPool{Window: kernel.Square(3), Stride: 1}
)

// The windows of Inception's convolutions; wide and tall ones keep the size.
var (
	one, three, five = kernel.Square(1), kernel.Square(3), kernel.Square(5)
	valid            = kernel.Valid(3, 3)
	wide7, tall7     = kernel.Window{KernelH: 1, KernelW: 7, PadW: 3}, kernel.Window{KernelH: 7, KernelW: 1, PadH: 3}
	wide3, tall3     = kernel.Window{KernelH: 1, KernelW: 3, PadW: 1}, kernel.Window{KernelH: 3, KernelW: 1, PadH: 1}
)

// conv adds a convolution, its weights to be loaded.
func (n *Inception) conv(name string, in, out int, w kernel.Window) *normedConv {
	return n.strided(name, in, out, w, 1)
}

// half adds a convolution of 3×3 that halves height and width.
func (n *Inception) half(name string, in, out int) *normedConv {
	return n.strided(name, in, out, valid, 2)
}

func (n *Inception) strided(name string, in, out int, w kernel.Window, stride int) *normedConv {
	c := &normedConv{name: name, shape: kernel.Conv{Cin: in, Cout: out, Window: w, Stride: stride}, bias: make([]float32, out)}
	c.filter = n.back.NewFilter(c.shape, false)
	n.convs = append(n.convs, c)
	return c
}

// block0 is the stem: 299×299×3 to 73×73×64.
func (n *Inception) block0() chain {
	return chain{
		n.half("Conv2d_1a_3x3", 3, 32),
		n.conv("Conv2d_2a_3x3", 32, 32, valid),
		n.conv("Conv2d_2b_3x3", 32, 64, three),
		halfMax,
	}
}

// block1 goes on to 35×35×192.
func (n *Inception) block1() chain {
	return chain{
		n.conv("Conv2d_3b_1x1", 64, 80, one),
		n.conv("Conv2d_4a_3x3", 80, 192, valid),
		halfMax,
	}
}

// block2 goes on to 17×17×768.
func (n *Inception) block2() chain {
	return chain{
		n.mixed5("Mixed_5b", 192, 32), n.mixed5("Mixed_5c", 256, 64), n.mixed5("Mixed_5d", 288, 64),
		n.mixed6a(),
		n.mixed6("Mixed_6b", 128), n.mixed6("Mixed_6c", 160), n.mixed6("Mixed_6d", 160), n.mixed6("Mixed_6e", 192),
	}
}

// block3 goes on to 8×8×2048. The last block pools by the maximum, as
// TensorFlow's net does.
func (n *Inception) block3() chain {
	return chain{
		n.mixed7a(),
		n.mixed7("Mixed_7b", 1280, sameAvg), n.mixed7("Mixed_7c", 2048, sameMax),
	}
}

// mixed5 is FIDInceptionA.
func (n *Inception) mixed5(name string, in, pool int) layer {
	return branches{
		n.conv(name+".branch1x1", in, 64, one),
		chain{
			n.conv(name+".branch5x5_1", in, 48, one),
			n.conv(name+".branch5x5_2", 48, 64, five),
		},
		chain{
			n.conv(name+".branch3x3dbl_1", in, 64, one),
			n.conv(name+".branch3x3dbl_2", 64, 96, three),
			n.conv(name+".branch3x3dbl_3", 96, 96, three),
		},
		chain{sameAvg, n.conv(name+".branch_pool", in, pool, one)},
	}
}

// mixed6a is InceptionB.
func (n *Inception) mixed6a() layer {
	const name, in = "Mixed_6a", 288
	return branches{
		n.half(name+".branch3x3", in, 384),
		chain{
			n.conv(name+".branch3x3dbl_1", in, 64, one),
			n.conv(name+".branch3x3dbl_2", 64, 96, three),
			n.half(name+".branch3x3dbl_3", 96, 96),
		},
		halfMax,
	}
}

// mixed6 is FIDInceptionC, with so many channels within its branches.
func (n *Inception) mixed6(name string, within int) layer {
	const in, out = 768, 192
	return branches{
		n.conv(name+".branch1x1", in, out, one),
		chain{
			n.conv(name+".branch7x7_1", in, within, one),
			n.conv(name+".branch7x7_2", within, within, wide7),
			n.conv(name+".branch7x7_3", within, out, tall7),
		},
		chain{
			n.conv(name+".branch7x7dbl_1", in, within, one),
			n.conv(name+".branch7x7dbl_2", within, within, tall7),
			n.conv(name+".branch7x7dbl_3", within, within, wide7),
			n.conv(name+".branch7x7dbl_4", within, within, tall7),
			n.conv(name+".branch7x7dbl_5", within, out, wide7),
		},
		chain{sameAvg, n.conv(name+".branch_pool", in, out, one)},
	}
}

// mixed7a is InceptionD.
func (n *Inception) mixed7a() layer {
	const name, in = "Mixed_7a", 768
	return branches{
		chain{
			n.conv(name+".branch3x3_1", in, 192, one),
			n.half(name+".branch3x3_2", 192, 320),
		},
		chain{
			n.conv(name+".branch7x7x3_1", in, 192, one),
			n.conv(name+".branch7x7x3_2", 192, 192, wide7),
			n.conv(name+".branch7x7x3_3", 192, 192, tall7),
			n.half(name+".branch7x7x3_4", 192, 192),
		},
		halfMax,
	}
}

// mixed7 is FIDInceptionE_1 or, with a maximum for the mean, FIDInceptionE_2.
func (n *Inception) mixed7(name string, in int, pool layer) layer {
	return branches{
		n.conv(name+".branch1x1", in, 320, one),
		chain{
			n.conv(name+".branch3x3_1", in, 384, one),
			branches{
				n.conv(name+".branch3x3_2a", 384, 384, wide3),
				n.conv(name+".branch3x3_2b", 384, 384, tall3),
			},
		},
		chain{
			n.conv(name+".branch3x3dbl_1", in, 448, one),
			n.conv(name+".branch3x3dbl_2", 448, 384, three),
			branches{
				n.conv(name+".branch3x3dbl_3a", 384, 384, wide3),
				n.conv(name+".branch3x3dbl_3b", 384, 384, tall3),
			},
		},
		chain{pool, n.conv(name+".branch_pool", in, 192, one)},
	}
}
