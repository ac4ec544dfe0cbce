package model

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"diffuse/internal/kernel"
	"diffuse/internal/op"
	"diffuse/internal/profile"
)

// InceptionDims are the widths of features that an Inception can extract: those
// after the first max pooling, the second, the auxiliary classifier's place, and
// the last one, which is FID's.
var InceptionDims = []int{64, 192, 768, 2048}

// inceptionSize is the height and width of the images that Inception sees.
const inceptionSize = 299

// Inception is InceptionV3 (Szegedy et al. 2015) as pytorch-fid changed it to
// agree with FID's original TensorFlow net, without its classifier: it extracts
// features of images. Every convolution is followed by a BatchNorm, which is
// folded into its weights, and ReLU. It is for inference.
type Inception struct {
	dims  int
	back  op.Backend
	convs []*normedConv
	net   chain
	notes *profile.Profile
	apart bool // note layers of different sizes apart
}

// NewInception lays out the part of the net that makes features of so many
// dimensions, to be computed by a kernel set in its precision. Load fills it.
func NewInception(dims int, kernels *kernel.Set) (*Inception, error) {
	last := slices.Index(InceptionDims, dims)
	if last < 0 {
		return nil, fmt.Errorf("InceptionV3 has features of %v dimensions, not %d", InceptionDims, dims)
	}
	n := &Inception{dims: dims, back: op.CPU(kernels)}
	for _, block := range []func() chain{n.block0, n.block1, n.block2, n.block3}[:last+1] {
		n.net = append(n.net, block()...)
	}
	return n, nil
}

// Dims is the number of features of an image.
func (n *Inception) Dims() int { return n.dims }

// Tensors are the names and shapes in pytorch-fid's state dict of what Load reads.
func (n *Inception) Tensors() map[string][]int {
	shapes := map[string][]int{}
	for _, c := range n.convs {
		s := c.shape
		shapes[c.name+".conv.weight"] = []int{s.Cout, s.Cin, s.KernelH, s.KernelW}
		for _, name := range []string{"weight", "bias", "running_mean", "running_var"} {
			shapes[c.name+".bn."+name] = []int{s.Cout}
		}
	}
	return shapes
}

// Load takes the weights from read, which returns a tensor of pytorch-fid's state
// dict by its name, in PyTorch's layout. Nothing but their packed form is kept.
// Whoever runs the net at the same time must wait.
func (n *Inception) Load(read func(name string) ([]float32, error)) error {
	for _, c := range n.convs {
		if err := c.load(n.back, read); err != nil {
			return err
		}
	}
	return nil
}

// inceptionEps is what Inception's BatchNorm adds to the variance.
const inceptionEps = 0.001

// normedConv is torchvision's BasicConv2d: convolution, BatchNorm, ReLU.
type normedConv struct {
	name   string
	shape  kernel.Conv // all but the images' number and size
	filter op.Filter
	bias   []float32
}

// load folds the norm into the convolution: a channel's
// γ·(w∗x − mean)/√(var + ε) + β is a convolution with weights w·s and a bias of
// β − mean·s, s being γ/√(var + ε).
func (c *normedConv) load(back op.Backend, read func(name string) ([]float32, error)) error {
	var err error
	tensor := func(name string, size int) (t []float32) {
		if err == nil {
			t, err = read(c.name + name)
		}
		if err == nil && len(t) != size {
			err = fmt.Errorf("tensor %s has %d elements, not %d", c.name+name, len(t), size)
		}
		return t
	}
	s := c.shape
	w := tensor(".conv.weight", s.Weights())
	gamma, beta := tensor(".bn.weight", s.Cout), tensor(".bn.bias", s.Cout)
	mean, variance := tensor(".bn.running_mean", s.Cout), tensor(".bn.running_var", s.Cout)
	if err != nil {
		return err
	}
	scaled, each := make([]float32, len(w)), len(w)/s.Cout
	for o := range s.Cout {
		scale := float64(gamma[o]) / math.Sqrt(float64(variance[o])+inceptionEps)
		c.bias[o] = float32(float64(beta[o]) - float64(mean[o])*scale)
		for i, v := range w[o*each:][:each] {
			scaled[o*each+i] = float32(float64(v) * scale)
		}
	}
	p := Param{Name: c.name, Kind: Conv, Shape: []int{s.Cout, s.Cin, s.KernelH, s.KernelW}, Len: len(w)}
	computed := make([]float32, len(w))
	if err := p.FromTorch(computed, scaled); err != nil {
		return err
	}
	back.Pack(c.filter, computed)
	return nil
}

// Measure makes extractors that are made afterwards add to p where their time
// goes; apart says whether layers of different sizes are told apart.
func (n *Inception) Measure(p *profile.Profile, apart bool) { n.notes, n.apart = p, apart }

// Extractor runs an Inception on a micro-batch, on one goroutine.
type Extractor struct {
	graph *op.Graph
	x     []float32
	y     *G.Node
	n     int
	dims  int
}

// Extractor makes a runner for up to n images of h×w pixels at a time, which
// have three channels, or one that stands for three.
func (n *Inception) Extractor(images, h, w, channels int) (*Extractor, error) {
	if images < 1 || h < 1 || w < 1 || channels != 1 && channels != 3 {
		return nil, fmt.Errorf("features of %d images of %d×%d pixels with %d channels", images, h, w, channels)
	}
	e := &Extractor{graph: op.NewGraph(images, n.back.NewDevice()), n: images, dims: n.dims}
	e.graph.Measure(n.notes, n.apart)
	err := e.graph.Build(func() {
		var x *G.Node
		x, e.x = e.graph.Input("x", images, h, w, channels)
		x = e.graph.Resize(x, kernel.Resize{OutH: inceptionSize, OutW: inceptionSize, OutC: 3, Scale: 2, Shift: -1})
		e.y = e.graph.GlobalAvgPool(n.net.joined(e.graph, x))
	})
	if err != nil {
		return nil, err
	}
	return e, e.graph.Compile(e.y)
}

// Features writes to features [k][Dims] those of k images x, NHWC and within
// [0, 1], k being up to the extractor's number of images. They are enlarged (or
// reduced) to 299×299 bilinearly, without a filter against aliasing, as
// pytorch-fid does.
func (e *Extractor) Features(features, x []float32) error {
	size := len(e.x) / e.n
	k := len(x) / size
	if k*size != len(x) || k < 1 || k > e.n || len(features) != k*e.dims {
		return fmt.Errorf("%d features of %d values of images with %d each: up to %d images, %d features an image",
			len(features), len(x), size, e.n, e.dims)
	}
	copy(e.x, x)
	if err := e.graph.Run(k); err != nil {
		return err
	}
	copy(features, e.graph.Result(e.y))
	return nil
}
