package model

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/op"
)

// ResNet is the lesson's classifier (fast.ai course 22, notebook 14, get_model):
// a ResNet block at full size and one for each further width, which halves the
// image, until one pixel of features is left; then a linear layer with a
// BatchNorm of its own. It predicts a logit for each class.
type ResNet struct {
	net
	blocks []*resBlock
	head   *normed
	norms  []*normed
}

// general is the lesson's GeneralRelu.
var general = kernel.Leaky{Slope: 0.1, Shift: -0.4}

// bare is no activation.
var bare = kernel.Leaky{Slope: 1}

// halving is PyTorch's AvgPool2d(2, ceil_mode=True).
var halving = kernel.Pool{Window: kernel.Valid(2, 2), Stride: 2, Ceil: true}

// resBlock is act(convs(x) + idconv(pool(x))).
type resBlock struct {
	name         string
	conv1, conv2 *normed
	shortcut     *conv // nil where the channels stay the same
	halves       bool
}

// NewResNet lays out a classifier of such images, to be computed by a kernel set in
// its precision; its parameters are zero until Init or a checkpoint fills them.
// grad says whether it will be trained.
func NewResNet(cfg config.Model, im Images, grad bool, kernels *kernel.Set) (*ResNet, error) {
	if len(cfg.Channels) == 0 || im.Classes < 1 {
		return nil, fmt.Errorf("a ResNet of %d blocks for %d classes", len(cfg.Channels), im.Classes)
	}
	if most := 1 << (len(cfg.Channels) - 1); im.Size > most {
		return nil, fmt.Errorf("images of %d pixels are not one pixel after %d halvings", im.Size, len(cfg.Channels)-1)
	}
	r := &ResNet{net: newNet(im, kernels)}
	r.kind = r
	r.layOut(cfg.Channels)
	r.alloc(grad)
	for _, n := range r.norms {
		n.filter, n.shift = r.back.NewFilter(n.shape, false), make([]float32, n.shape.Cout)
	}
	return r, nil
}

// CountResNet is the number of parameters that NewResNet would make, running
// statistics included.
func CountResNet(cfg config.Model, im Images) int {
	r := &ResNet{net: net{channels: im.Channels, classes: im.Classes}}
	r.layOut(cfg.Channels)
	return r.params.Count()
}

// layOut declares every layer in the order of computation, then the running
// statistics.
func (r *ResNet) layOut(widths []int) {
	from, side := r.channels, r.size
	for i, width := range widths {
		window, stride := kernel.Square(3), 2
		if i == 0 {
			window, stride = kernel.Square(5), 1
		}
		name := fmt.Sprintf("blocks.%d", i)
		half := (side + stride - 1) / stride
		b := &resBlock{name: name, halves: stride == 2}
		b.conv1 = r.normed(name, 1, kernel.Conv{Cin: from, Cout: width, Window: window, Stride: 1}, side*side)
		b.conv2 = r.normed(name, 2, kernel.Conv{Cin: width, Cout: width, Window: window, Stride: stride}, half*half)
		if from != width {
			b.shortcut = r.conv(name+".shortcut", pointwise(from, width))
		}
		r.blocks = append(r.blocks, b)
		from, side = width, half
	}
	r.head = &normed{name: "head", shape: pointwise(from, r.classes), pixels: 1}
	r.head.weight = r.params.Add("head.linear.weight", Matrix, r.classes, from)
	r.addNorm(r.head, "head.norm")
	for _, n := range r.norms {
		n.mean = r.params.Add(n.normName+".running_mean", Running, n.shape.Cout)
		n.variance = r.params.Add(n.normName+".running_var", Running, n.shape.Cout)
	}
}

// normed declares a convolution and the BatchNorm behind it; pixels are those
// of the output.
func (r *ResNet) normed(block string, i int, shape kernel.Conv, pixels int) *normed {
	n := &normed{name: fmt.Sprintf("%s.conv%d", block, i), shape: shape, pixels: pixels}
	n.weight = r.params.Add(n.name+".weight", Conv, shape.Cout, shape.Cin, shape.KernelH, shape.KernelW)
	n.bias = r.params.Add(n.name+".bias", Vector, shape.Cout)
	r.addNorm(n, fmt.Sprintf("%s.norm%d", block, i))
	return n
}

// addNorm declares what n's BatchNorm trains.
func (r *ResNet) addNorm(n *normed, name string) {
	n.normName = name
	n.gamma = r.params.Add(name+".weight", Vector, n.shape.Cout)
	n.beta = r.params.Add(name+".bias", Vector, n.shape.Cout)
	r.norms = append(r.norms, n)
	r.packed = append(r.packed, packed{weight: n.weight, shape: n.shape, filter: &n.learning, learning: true})
}

// forward is the logits, (n, 1, 1, classes).
func (r *ResNet) forward(b *builder, x *G.Node) *G.Node {
	return r.head.apply(b, r.features(b, x), bare, true)
}

// features is what the linear layer sees, (n, 1, 1, channels of the last block).
func (r *ResNet) features(b *builder, x *G.Node) *G.Node {
	for i, block := range r.blocks {
		x = block.apply(b, x, i > 0)
	}
	return x
}

func (r *resBlock) apply(b *builder, x *G.Node, needDX bool) (y *G.Node) {
	h := r.conv1.apply(b, x, general, needDX)
	h = r.conv2.apply(b, h, bare, true)
	if r.halves {
		b.Scope(r.name, func() { x = b.AvgPool(x, halving) })
	}
	if r.shortcut != nil {
		x = r.shortcut.apply(b, x, needDX)
	}
	b.Scope(r.name, func() { y = b.Leaky(b.Add(x, h), general) })
	return y
}

// loss is the cross-entropy.
func (r *ResNet) loss(b *builder, y *G.Node) (loss *G.Node, target []float32, l *op.Loss) {
	node, target := b.Input("target", b.N, 1)
	loss, l = b.CrossEntropy(y, node)
	return loss, target, l
}

// Sizes are those of an image, a logit for each class and one label.
func (r *ResNet) Sizes() Sizes {
	return Sizes{Input: r.size * r.size * r.channels, Output: r.classes, Target: 1}
}

// Loss writes each image's cross-entropy to loss.
func (r *ResNet) Loss(loss []float64, y, target []float32) {
	kernel.CrossEntropy(nil, y, target, len(loss), 0, loss)
}

// Dim is how many features an image has.
func (r *ResNet) Dim() int { return r.head.shape.Cin }

// Features makes a runner for up to n images whose Predict writes their
// features: what the linear layer sees (the lesson's FID, notebook 18).
func (r *ResNet) Features(n int) (Worker, error) {
	if n < 1 {
		return nil, fmt.Errorf("a worker for %d images", n)
	}
	return &worker{net: &r.net, kind: featuresOf{r}, n: n}, nil
}

// featuresOf is a ResNet that stops before its head.
type featuresOf struct{ *ResNet }

func (f featuresOf) forward(b *builder, x *G.Node) *G.Node { return f.features(b, x) }

func (f featuresOf) Sizes() Sizes {
	return Sizes{Input: f.ResNet.Sizes().Input, Output: f.Dim()}
}
