package model

import (
	G "gorgonia.org/gorgonia"

	"diffuse/internal/kernel"
	"diffuse/internal/op"
)

const normEps = 1e-5 // diffusers' norm_eps

// conv is a convolution, padded by half its kernel.
type conv struct {
	name         string
	weight, bias *Param
	shape        kernel.Conv // all but the images' number and size
	filter       op.Filter
}

func (n *net) conv(name string, shape kernel.Conv) *conv {
	c := &conv{name: name, shape: shape}
	c.weight = n.params.Add(name+".weight", Conv, shape.Cout, shape.Cin, shape.KernelH, shape.KernelW)
	c.bias = n.params.Add(name+".bias", Vector, shape.Cout)
	n.packed = append(n.packed, packed{weight: c.weight, shape: shape, filter: &c.filter})
	return c
}

// same is a convolution of 3×3 that keeps height and width.
func same(in, out int) kernel.Conv {
	return kernel.Conv{Cin: in, Cout: out, Window: kernel.Square(3), Stride: 1}
}

// halved is a convolution of 3×3 that halves them.
func halved(c int) kernel.Conv {
	return kernel.Conv{Cin: c, Cout: c, Window: kernel.Square(3), Stride: 2}
}

// doubled is one that first doubles them, by repeating pixels.
func doubled(c int) kernel.Conv {
	return kernel.Conv{Cin: c, Cout: c, Window: kernel.Square(3), Stride: 1, Upsample: true}
}

// pointwise is a convolution of 1×1.
func pointwise(in, out int) kernel.Conv {
	return kernel.Conv{Cin: in, Cout: out, Window: kernel.Square(1), Stride: 1}
}

func (c *conv) apply(b *builder, x *G.Node, needDX bool) (y *G.Node) {
	b.Scope(c.name, func() { y = b.Conv(x, b.param(c.weight), b.param(c.bias), c.filter, c.shape, needDX) })
	return y
}

// linear is a fully connected layer on the last dimension.
type linear struct {
	name         string
	weight, bias *Param
	filter       op.Filter
}

func (n *net) linear(name string, in, out int) *linear {
	l := &linear{name: name}
	l.weight = n.params.Add(name+".weight", Matrix, out, in)
	l.bias = n.params.Add(name+".bias", Vector, out)
	n.packed = append(n.packed, packed{weight: l.weight, shape: pointwise(in, out), filter: &l.filter})
	return l
}

func (l *linear) apply(b *builder, x *G.Node) (y *G.Node) {
	b.Scope(l.name, func() { y = b.Linear(x, b.param(l.weight), b.param(l.bias), l.filter) })
	return y
}

// norm is a GroupNorm.
type norm struct {
	name          string
	weight, shift *Param
}

func (n *net) norm(name string, channels int) *norm {
	return &norm{
		name:   name,
		weight: n.params.Add(name+".weight", Vector, channels),
		shift:  n.params.Add(name+".bias", Vector, channels),
	}
}

func (n *norm) apply(b *builder, x *G.Node, silu bool) (y *G.Node) {
	b.Scope(n.name, func() {
		y = b.GroupNorm(x, b.param(n.weight), b.param(n.shift), op.Norm{Groups: b.groups, Eps: normEps, SiLU: silu})
	})
	return y
}

// resnet is diffusers' ResnetBlock2D: two normalised convolutions with the
// time embedding added between them, and a shortcut around both.
type resnet struct {
	name         string
	norm1, norm2 *norm
	conv1, conv2 *conv
	timeEmbProj  *linear
	shortcut     *conv // nil where the channels stay the same
}

func (u *UNet) resnet(name string, in, out int) *resnet {
	r := &resnet{name: name}
	r.norm1 = u.norm(name+".norm1", in)
	r.conv1 = u.conv(name+".conv1", same(in, out))
	r.timeEmbProj = u.linear(name+".time_emb_proj", 4*u.cfg.Channels[0], out)
	r.norm2 = u.norm(name+".norm2", out)
	r.conv2 = u.conv(name+".conv2", same(out, out))
	if in != out {
		r.shortcut = u.conv(name+".conv_shortcut", pointwise(in, out))
	}
	return r
}

// apply takes temb already passed through SiLU.
func (r *resnet) apply(b *builder, x, temb *G.Node) (y *G.Node) {
	e := r.timeEmbProj.apply(b, temb)
	h := r.conv1.apply(b, r.norm1.apply(b, x, true), true)
	b.Scope(r.name, func() { h = b.AddChannels(h, e) })
	h = r.conv2.apply(b, r.norm2.apply(b, h, true), true)
	if r.shortcut != nil {
		x = r.shortcut.apply(b, x, true)
	}
	b.Scope(r.name, func() { y = b.Add(x, h) })
	return y
}

// attention is diffusers' Attention as UNet2DModel uses it: pixels attend to
// the pixels of their image, and the input is added to the result.
type attention struct {
	name             string
	norm             *norm
	toQ, toK, toV, o *linear
	heads            int
}

func (u *UNet) attention(name string, channels int) *attention {
	return &attention{
		name:  name,
		norm:  u.norm(name+".group_norm", channels),
		toQ:   u.linear(name+".to_q", channels, channels),
		toK:   u.linear(name+".to_k", channels, channels),
		toV:   u.linear(name+".to_v", channels, channels),
		o:     u.linear(name+".to_out.0", channels, channels),
		heads: channels / u.cfg.HeadDim,
	}
}

func (a *attention) apply(b *builder, x *G.Node) (y *G.Node) {
	h := a.norm.apply(b, x, false)
	q, k, v := a.toQ.apply(b, h), a.toK.apply(b, h), a.toV.apply(b, h)
	b.Scope(a.name, func() { h = b.Attention(q, k, v, a.heads) })
	h = a.o.apply(b, h)
	b.Scope(a.name, func() { y = b.Add(x, h) })
	return y
}
