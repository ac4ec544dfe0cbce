package model

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/op"
)

// UNet is diffusers' UNet2DModel: the same structure under the same parameter
// names. It predicts the noise in an image from the image and its timestep.
type UNet struct {
	net
	cfg config.Model

	convIn, convOut *conv
	normOut         *norm
	time1, time2    *linear
	class           *Param // diffusers' class_embedding and a last row for Unknown; nil unless conditional
	down, up        []*block
	mid             *block
}

// block is one resolution of the U-Net, on the way down or up, or its middle.
type block struct {
	name       string
	resnets    []*resnet
	attentions []*attention // empty, or one behind each ResNet block; in the middle one between two
	resample   *conv        // nil at the last level
	up         bool
}

// NewUNet lays out a U-Net for such images, to be computed by a kernel set in its
// precision; its parameters are zero until Init or a checkpoint fills them. grad
// says whether it will be trained.
func NewUNet(cfg config.Model, im Images, grad bool, kernels *kernel.Set) (*UNet, error) {
	if err := checkUNet(cfg, im); err != nil {
		return nil, err
	}
	u := &UNet{cfg: cfg, net: newNet(im, kernels)}
	u.kind = u
	u.layOut()
	u.alloc(grad)
	return u, nil
}

// CountUNet is the number of parameters that NewUNet would make.
func CountUNet(cfg config.Model, im Images) int {
	u := &UNet{cfg: cfg, net: net{channels: im.Channels, classes: im.Classes}}
	u.layOut()
	return u.params.Count()
}

// checkUNet refuses what would build no net.
func checkUNet(cfg config.Model, im Images) error {
	if cfg.Conditional && im.Classes < 1 {
		return fmt.Errorf("model.conditional wants images in classes, got %d", im.Classes)
	}
	if len(cfg.Channels) == 0 || len(cfg.Attention) != len(cfg.Channels) {
		return fmt.Errorf("model.attention has %d entries for %d levels", len(cfg.Attention), len(cfg.Channels))
	}
	if im.Size%(1<<(len(cfg.Channels)-1)) != 0 {
		return fmt.Errorf("images of %d pixels cannot be halved %d times", im.Size, len(cfg.Channels)-1)
	}
	for i, c := range cfg.Channels {
		if c%cfg.Groups != 0 {
			return fmt.Errorf("model.groups %d does not divide the %d channels of level %d", cfg.Groups, c, i)
		}
		if (cfg.Attention[i] || i == len(cfg.Channels)-1) && c%cfg.HeadDim != 0 {
			return fmt.Errorf("model.head_dim %d does not divide the %d channels of level %d", cfg.HeadDim, c, i)
		}
	}
	return nil
}

// layOut declares every layer, in diffusers' order.
func (u *UNet) layOut() {
	ch, layers := u.cfg.Channels, u.cfg.Layers
	first, last, temb := ch[0], ch[len(ch)-1], 4*ch[0]
	u.convIn = u.conv("conv_in", same(u.channels, first))
	u.time1 = u.linear("time_embedding.linear_1", first, temb)
	u.time2 = u.linear("time_embedding.linear_2", temb, temb)
	if u.cfg.Conditional {
		u.class = u.params.Add("class_embedding.weight", Table, u.classes+1, temb)
	}

	skips := []int{first} // the channels of what the way down leaves for the way up
	from := first
	for i, c := range ch {
		b := &block{name: fmt.Sprintf("down_blocks.%d", i)}
		ins := []int{from}
		for range layers - 1 {
			ins = append(ins, c)
		}
		u.fill(b, ins, c, u.cfg.Attention[i])
		for range layers {
			skips = append(skips, c)
		}
		if i < len(ch)-1 {
			b.resample = u.conv(b.name+".downsamplers.0.conv", halved(c))
			skips = append(skips, c)
		}
		u.down = append(u.down, b)
		from = c
	}

	u.mid = &block{name: "mid_block"}
	u.mid.resnets = append(u.mid.resnets, u.resnet("mid_block.resnets.0", last, last))
	for i := range 1 + u.cfg.MidExtra { // UNetMidBlock2D's num_layers
		u.mid.attentions = append(u.mid.attentions, u.attention(fmt.Sprintf("mid_block.attentions.%d", i), last))
		u.mid.resnets = append(u.mid.resnets, u.resnet(fmt.Sprintf("mid_block.resnets.%d", i+1), last, last))
	}

	from = last
	for i := range ch {
		level := len(ch) - 1 - i
		c := ch[level]
		b := &block{name: fmt.Sprintf("up_blocks.%d", i), up: true}
		var ins []int
		for range layers + 1 {
			ins = append(ins, from+skips[len(skips)-1])
			skips = skips[:len(skips)-1]
			from = c
		}
		u.fill(b, ins, c, u.cfg.Attention[level])
		if level > 0 {
			b.resample = u.conv(b.name+".upsamplers.0.conv", doubled(c))
		}
		u.up = append(u.up, b)
	}
	u.normOut = u.norm("conv_norm_out", first)
	u.convOut = u.conv("conv_out", same(first, u.channels))
}

// fill declares a block's ResNet blocks, with ins[i] channels in, and its attentions.
func (u *UNet) fill(b *block, ins []int, out int, attend bool) {
	for i, in := range ins {
		b.resnets = append(b.resnets, u.resnet(fmt.Sprintf("%s.resnets.%d", b.name, i), in, out))
	}
	if !attend {
		return
	}
	for i := range ins {
		b.attentions = append(b.attentions, u.attention(fmt.Sprintf("%s.attentions.%d", b.name, i), out))
	}
}

func (u *UNet) forward(b *builder, x *G.Node) *G.Node {
	b.groups = u.cfg.Groups
	// Every ResNet block passes the embedding through SiLU first: once is enough.
	temb := b.Embed(b.times(), u.cfg.Channels[0])
	temb = u.time2.apply(b, b.SiLU(u.time1.apply(b, temb)))
	if u.class != nil {
		b.Scope("class_embedding", func() { temb = b.Add(temb, b.Lookup(b.param(u.class), b.classes())) })
	}
	temb = b.SiLU(temb)

	h := u.convIn.apply(b, x, false)
	skips := []*G.Node{h}
	for _, d := range u.down {
		for i := range d.resnets {
			h = d.layer(b, i, h, temb)
			skips = append(skips, h)
		}
		if d.resample != nil {
			h = d.resample.apply(b, h, true)
			skips = append(skips, h)
		}
	}
	h = u.mid.resnets[0].apply(b, h, temb)
	for i, a := range u.mid.attentions {
		h = u.mid.resnets[i+1].apply(b, a.apply(b, h), temb)
	}
	for _, p := range u.up {
		for i := range p.resnets {
			h = p.layer(b, i, b.Concat(h, skips[len(skips)-1]), temb)
			skips = skips[:len(skips)-1]
		}
		if p.resample != nil {
			h = p.resample.apply(b, h, true)
		}
	}
	return u.convOut.apply(b, u.normOut.apply(b, h, true), true)
}

func (d *block) layer(b *builder, i int, x, temb *G.Node) *G.Node {
	x = d.resnets[i].apply(b, x, temb)
	if len(d.attentions) > 0 {
		x = d.attentions[i].apply(b, x)
	}
	return x
}

// fold has nothing to do: a U-Net predicts by the weights it learns.
func (u *UNet) fold() {}

// Track has nothing to do: a U-Net keeps no running statistics.
func (u *UNet) Track([]float32, int) {}

// loss is the squared error of the noise.
func (u *UNet) loss(b *builder, y *G.Node) (loss *G.Node, target []float32, l *op.Loss) {
	node, target := b.Input("target", y.Shape()...)
	loss, l = b.SquaredError(y, node)
	return loss, target, l
}

// Sizes are those of an image, which is also what the net answers with.
func (u *UNet) Sizes() Sizes {
	n := u.size * u.size * u.channels
	return Sizes{Input: n, Output: n, Target: n}
}

// Loss writes each image's squared error to loss.
func (u *UNet) Loss(loss []float64, y, target []float32) {
	u.kernels.SquaredError(nil, y, target, len(loss), u.Sizes().Output, 0, slices.Repeat([]float32{1}, len(loss)), loss)
}
