package op

import (
	"fmt"
	"math"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
	"diffuse/internal/rng"
)

// trial is an op under test: a graph from parameters, whose loss and gradients
// the test can ask for at any values of them.
type trial struct {
	t      *testing.T
	back   Backend
	g      *Graph
	loss   *Loss
	params []*leaf
	packs  []func()
	sums   map[string]*tensor.Dense // what a run adds to beside gradients
}

// leaf is a parameter of a trial: its values and the gradient found for it.
type leaf struct {
	name string
	data []float32
	node *G.Node
	grad *G.Node
	sink *tensor.Dense // where a parameter's gradient is added to; nil for images
}

// leaf adds a parameter of normal values around mean.
func (tr *trial) leaf(name string, mean float32, shape ...int) *G.Node {
	data := make([]float32, tensor.Shape(shape).TotalSize())
	return tr.add(&leaf{name: name, data: data, sink: tr.g.dev.New(shape...), node: tr.g.Param(name, data, shape...)}, mean)
}

// images adds an input of normal values around mean, one of shape for each image.
func (tr *trial) images(name string, mean float32, shape ...int) *G.Node {
	node, data := tr.g.Input(name, append([]int{tr.g.N}, shape...)...)
	return tr.add(&leaf{name: name, data: data, node: node}, mean)
}

func (tr *trial) add(l *leaf, mean float32) *G.Node {
	rng.Normal(l.data, 7, rng.Noise, uint64(len(tr.params)), 0)
	for i := range l.data {
		l.data[i] = mean + 0.7*l.data[i]
	}
	tr.params = append(tr.params, l)
	return l.node
}

// filter is the packed form of a parameter, packed anew before each run.
func (tr *trial) filter(c kernel.Conv) Filter {
	f, w := tr.back.NewFilter(c, true), tr.params[len(tr.params)-1].data
	tr.packs = append(tr.packs, func() { tr.back.Pack(f, w) })
	return f
}

// at is the loss at the parameters' present values.
func (tr *trial) at() float64 {
	for _, pack := range tr.packs {
		pack()
	}
	for _, p := range tr.params {
		if p.sink != nil {
			p.sink.Zero()
		}
	}
	if err := tr.g.Run(tr.g.active); err != nil {
		tr.t.Fatal(err)
	}
	var sum float64
	for _, l := range tr.loss.PerImage[:tr.g.active] {
		sum += l
	}
	return sum * float64(tr.loss.Scale)
}

// slope is the derivative of the loss along direction d of p by a central
// difference of fourth order.
func (tr *trial) slope(p *leaf, d []float32) float64 {
	const h = 1.0 / 64
	start := append([]float32(nil), p.data...)
	defer copy(p.data, start)
	at := func(step float32) float64 {
		for i := range d {
			p.data[i] = start[i] + step*d[i]
		}
		return tr.at()
	}
	return (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
}

// checkGradients compares every parameter's gradient with finite differences
// along random directions.
func checkGradients(t *testing.T, back Backend, n, active int, build func(*trial) *G.Node) {
	t.Helper()
	tr := &trial{t: t, back: back, g: NewGraph(n, back.NewDevice()), sums: map[string]*tensor.Dense{}}
	err := tr.g.Build(func() {
		y := build(tr)
		target, want := tr.g.Input("target", y.Shape()...)
		rng.Normal(want, 8, rng.Noise, 0, 0)
		var loss *G.Node
		loss, tr.loss = tr.g.SquaredError(y, target)
		tr.loss.Scale = 1 / float32(len(want))
		var nodes G.Nodes
		for _, p := range tr.params {
			nodes = append(nodes, p.node)
		}
		grads, err := G.Grad(loss, nodes...)
		if err != nil {
			panic(err)
		}
		for i, p := range tr.params {
			p.grad = grads[i]
		}
		if err := tr.g.Compile(grads...); err != nil {
			panic(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	sinks := tr.sums
	for _, p := range tr.params {
		sinks[p.name] = p.sink
	}
	tr.g.SetGradients(sinks)
	tr.g.active = active
	for i, p := range tr.params {
		for trip := range 3 {
			d := make([]float32, len(p.data))
			rng.Normal(d, 9, rng.Noise, uint64(i), uint64(trip))
			tr.at()
			var g []float32
			if p.sink != nil {
				g = p.sink.Float32s()
			} else {
				g = tr.g.Result(p.grad)
				d = d[:len(d)/n*active] // only the active images of a batch have a gradient
			}
			var dot, size float64
			for j := range d {
				dot += float64(g[j]) * float64(d[j])
				size += math.Abs(float64(g[j]) * float64(d[j]))
			}
			if got := tr.slope(p, d); !(math.Abs(got-dot) <= 2e-3*size+1e-6) {
				t.Errorf("gradient of %s along direction %d: %g by the op, %g by differences", p.name, trip, dot, got)
			}
		}
	}
}

// gradientCases are the ops on shapes that are multiples of no vector width.
var gradientCases = map[string]func(tr *trial) *G.Node{
	"conv3": func(tr *trial) *G.Node {
		return conv(tr, 5, 3, kernel.Conv{Cin: 7, Cout: 11, Window: kernel.Square(3), Stride: 1})
	},
	"conv3 stride 2": func(tr *trial) *G.Node {
		return conv(tr, 7, 6, kernel.Conv{Cin: 3, Cout: 19, Window: kernel.Square(3), Stride: 2})
	},
	"conv5": func(tr *trial) *G.Node {
		return conv(tr, 6, 7, kernel.Conv{Cin: 5, Cout: 9, Window: kernel.Square(5), Stride: 1})
	},
	"conv 1x7 stride 2": func(tr *trial) *G.Node {
		return conv(tr, 3, 7, kernel.Conv{Cin: 5, Cout: 9, Window: kernel.Window{KernelH: 1, KernelW: 7, PadW: 2}, Stride: 2})
	},
	"conv1": func(tr *trial) *G.Node {
		return conv(tr, 3, 5, kernel.Conv{Cin: 13, Cout: 9, Window: kernel.Square(1), Stride: 1})
	},
	"linear": func(tr *trial) *G.Node {
		x, w := tr.images("x", 0, 3, 5, 13), tr.leaf("w", 0, 13, 21)
		f := tr.filter(kernel.Conv{Cin: 13, Cout: 21, Window: kernel.Square(1), Stride: 1})
		return tr.g.Linear(x, w, tr.leaf("bias", 0, 21), f)
	},
	"norm":       func(tr *trial) *G.Node { return groupNorm(tr, 15, 5, false) },
	"norm silu":  func(tr *trial) *G.Node { return groupNorm(tr, 21, 3, true) },
	"batch norm": func(tr *trial) *G.Node { return batchNorm(tr, 7) },
	// With the residual folded into the norm's gradient.
	"batch norm residual": func(tr *trial) *G.Node {
		x := tr.images("x", 0.5, 3, 5, 7)
		return tr.g.Add(batchNorm(tr, 7, x), x)
	},
	// On either side of the bend: differences across it are no slope.
	"leaky above": func(tr *trial) *G.Node {
		return tr.g.Leaky(tr.images("x", 5, 3, 7), kernel.Leaky{Slope: 0.1, Shift: -0.4})
	},
	"leaky below": func(tr *trial) *G.Node {
		return tr.g.Leaky(tr.images("x", -5, 3, 7), kernel.Leaky{Slope: 0.1, Shift: -0.4})
	},
	"attention dim 8": func(tr *trial) *G.Node {
		return attention(tr, 24, 3)
	},
	"attention dim 5": func(tr *trial) *G.Node { return attention(tr, 15, 3) },
	"silu":            func(tr *trial) *G.Node { return tr.g.SiLU(tr.images("x", 0, 3, 13)) },
	"add": func(tr *trial) *G.Node {
		return tr.g.Add(tr.images("x", 0, 3, 5, 7), tr.images("y", 0, 3, 5, 7))
	},
	"add channels": func(tr *trial) *G.Node {
		return tr.g.AddChannels(tr.images("x", 0, 3, 5, 13), tr.images("e", 0, 13))
	},
	"lookup": func(tr *trial) *G.Node {
		table := tr.leaf("table", 0, 5, 13)
		index, rows := tr.g.Input("index", tr.g.N)
		copy(rows, []float32{4, 1, 4})
		return tr.g.Add(tr.images("x", 0, 13), tr.g.Lookup(table, index))
	},
	"concat": func(tr *trial) *G.Node {
		return tr.g.Concat(tr.images("x", 0, 3, 5, 7), tr.images("y", 0, 3, 5, 11))
	},
	"avg pool": func(tr *trial) *G.Node {
		return tr.g.AvgPool(tr.images("x", 0, 5, 7, 13), kernel.Pool{Window: kernel.Valid(2, 2), Stride: 2, Ceil: true})
	},
	"global avg pool": func(tr *trial) *G.Node {
		w := tr.leaf("w", 0, 7, 3)
		f := tr.filter(kernel.Conv{Cin: 7, Cout: 3, Window: kernel.Square(1), Stride: 1})
		return tr.g.Linear(tr.g.GlobalAvgPool(tr.images("x", 0, 5, 3, 7)), w, tr.leaf("bias", 0, 3), f)
	},
	"concat of three": func(tr *trial) *G.Node {
		return tr.g.Concat(tr.images("x", 0, 3, 5, 7), tr.images("y", 0, 3, 5, 11), tr.images("z", 0, 3, 5, 2))
	},
	"conv3 upsampled": func(tr *trial) *G.Node {
		return conv(tr, 3, 5, kernel.Conv{Cin: 7, Cout: 19, Window: kernel.Square(3), Stride: 1, Upsample: true})
	},
	// A ResNet block's folds: rows and a residual into convolutions, sums of
	// gradients into norms and convolutions.
	"residual": func(tr *trial) *G.Node {
		x, e := tr.images("x", 0.5, 5, 3, 6), tr.images("e", 0, 6)
		h := tr.g.GroupNorm(x, tr.leaf("gamma", 1, 6), tr.leaf("beta", 0, 6), Norm{Groups: 2, Eps: 1e-5, SiLU: true})
		c := kernel.Conv{Cin: 6, Cout: 6, Window: kernel.Square(3), Stride: 1}
		f := func(name string) (*G.Node, Filter) {
			w := tr.leaf(name, 0, 3, 3, 6, 6)
			return w, tr.filter(c)
		}
		w1, f1 := f("w1")
		h = tr.g.AddChannels(tr.g.Conv(h, w1, tr.leaf("bias1", 0, 6), f1, c, true), e)
		w2, f2 := f("w2")
		return tr.g.Add(x, tr.g.Conv(h, w2, tr.leaf("bias2", 0, 6), f2, c, true))
	},
	// A value used three times: Gorgonia adds the gradients, with our kernel.
	"fan-out": func(tr *trial) *G.Node {
		x := tr.images("x", 0, 3, 5, 7)
		return tr.g.Add(tr.g.Add(tr.g.SiLU(x), x), tr.g.SiLU(tr.g.SiLU(x)))
	},
}

func conv(tr *trial, h, w int, c kernel.Conv) *G.Node {
	x, k := tr.images("x", 0, h, w, c.Cin), tr.leaf("w", 0, c.KernelH, c.KernelW, c.Cin, c.Cout)
	f := tr.filter(c)
	return tr.g.Conv(x, k, tr.leaf("bias", 0, c.Cout), f, c, true)
}

func groupNorm(tr *trial, channels, groups int, silu bool) *G.Node {
	x := tr.images("x", 0.5, 3, 5, channels)
	return tr.g.GroupNorm(x, tr.leaf("gamma", 1, channels), tr.leaf("beta", 0, channels), Norm{Groups: groups, Eps: 1e-5, SiLU: silu})
}

func batchNorm(tr *trial, channels int, x ...*G.Node) *G.Node {
	if len(x) == 0 {
		x = append(x, tr.images("x", 0.5, 3, 5, channels))
	}
	for _, name := range []string{"mean", "square"} {
		tr.sums[name] = tr.g.dev.New(channels)
	}
	return tr.g.BatchNorm(x[0], tr.leaf("gamma", 1, channels), tr.leaf("beta", 0, channels), "mean", "square",
		Batch{Eps: 1e-5, Leaky: kernel.Leaky{Slope: 1}})
}

func attention(tr *trial, channels, heads int) *G.Node {
	leaf := func(name string) *G.Node { return tr.images(name, 0, 3, 7, channels) }
	return tr.g.Attention(leaf("q"), leaf("k"), leaf("v"), heads)
}

func TestGradients(t *testing.T) {
	for _, set := range kernel.Sets() {
		for name, build := range gradientCases {
			for _, active := range []int{3, 2} {
				t.Run(fmt.Sprintf("%s/%s/%d of 3 images", set.Name(), name, active), func(t *testing.T) {
					checkGradients(t, CPU(set), 3, active, build)
				})
			}
		}
	}
}

// A NaN is traced to the op that made it.
func TestFirstNonFiniteNamesTheOp(t *testing.T) {
	g := NewGraph(2, CPU(kernel.Best()).NewDevice())
	x, xs := g.Input("x", 2, 3)
	var y *G.Node
	g.Scope("first", func() { y = g.SiLU(x) })
	g.Scope("second", func() { y = g.Add(y, y) })
	if err := g.Compile(y); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		value float32
		want  string
	}{{1, ""}, {float32(math.NaN()), "first.silu"}, {2e38, "second.add"}} {
		xs[4] = tc.value
		if err := g.Run(2); err != nil {
			t.Fatal(err)
		}
		if got, err := g.FirstNonFinite(); err != nil || got != tc.want {
			t.Errorf("with %g: %q, %v; want %q", tc.value, got, err, tc.want)
		}
	}
}
