package model

import (
	"slices"
	"sync"
	"time"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
	"diffuse/internal/op"
	"diffuse/internal/profile"
	"diffuse/internal/team"
)

// net is what all kinds of nets are made of: parameters, the kernels' forms of
// their weights, and the graphs that run them.
type net struct {
	kind     kind
	size     int // images are size×size
	channels int // of an image
	classes  int // that the net is told of, or tells
	kernels  *kernel.Set
	back     op.Backend
	params   Params
	packed   []packed // what Repack packs
	notes    *profile.Profile
	apart    bool // note layers of different sizes apart

	mu    sync.Mutex
	stale bool                                  // what fold makes is of older parameters
	lanes map[*float32]map[string]*tensor.Dense // gradients by where they begin
}

// kind is what one kind of net adds.
type kind interface {
	// forward builds the graph from images x (n, size, size, channels) and, for a
	// net that knows time, b.times; for one that knows classes, b.classes.
	forward(b *builder, x *G.Node) *G.Node
	// loss adds the loss of the output y, and returns the target's memory.
	loss(b *builder, y *G.Node) (loss *G.Node, target []float32, l *op.Loss)
	// fold derives what prediction computes with, where that is not what
	// learning does.
	fold()
	Sizes() Sizes
}

// packed is a layer's weights beside the kernels' form of them.
type packed struct {
	weight   *Param
	shape    kernel.Conv
	filter   *op.Filter
	learning bool // needed to learn only
}

func newNet(im Images, kernels *kernel.Set) net {
	return net{
		size: im.Size, channels: im.Channels, classes: im.Classes, kernels: kernels, back: op.CPU(kernels),
		stale: true, lanes: map[*float32]map[string]*tensor.Dense{},
	}
}

// alloc makes room for the parameters and the kernels' forms of them.
func (n *net) alloc(grad bool) {
	n.params.Alloc()
	if !grad {
		n.packed = slices.DeleteFunc(n.packed, func(p packed) bool { return p.learning })
	}
	for i := range n.packed {
		p := &n.packed[i]
		*p.filter = n.back.NewFilter(p.shape, grad)
	}
}

// Params are the net's parameters.
func (n *net) Params() *Params { return &n.params }

// Measure makes workers that have not run yet add to p where their time goes;
// apart says whether layers of different sizes are told apart.
func (n *net) Measure(p *profile.Profile, apart bool) { n.notes, n.apart = p, apart }

// Repack derives the kernels' form of every layer's weights.
func (n *net) Repack(t *team.Team) {
	_ = t.Run(len(n.packed), packing{n}) // it never fails
	n.stale = true
}

// packing is the layers to pack, as jobs.
type packing struct{ *net }

// Do packs layer i.
func (n packing) Do(_, i int) error {
	p := &n.packed[i]
	defer n.notes.Add("pack weights", time.Now(), p.weight.Len, profile.Work{Bytes: 12}) // read, and written in two forms
	n.back.Pack(*p.filter, p.weight.At(n.params.Data))
	return nil
}

// refresh folds anew what prediction computes with, if parameters have changed.
func (n *net) refresh() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stale {
		n.kind.fold()
		n.stale = false
	}
}

// builder is a graph under construction with the parameters it has taken in.
type builder struct {
	*op.Graph
	replica  *replica
	learning bool
	data     []float32 // Params.Data
	params   map[*Param]*G.Node
	order    []*G.Node
	groups   int // of GroupNorm
}

// param is a parameter's node; it is made on first use.
func (b *builder) param(p *Param) *G.Node {
	if n, ok := b.params[p]; ok {
		return n
	}
	n := b.Param(p.Name, p.At(b.data), p.computeShape()...)
	b.params[p] = n
	b.order = append(b.order, n)
	return n
}

// times adds the input of timesteps, (n).
func (b *builder) times() *G.Node {
	t, memory := b.Input("t", b.N)
	b.replica.t = memory
	return t
}

// classes adds the input of class numbers, (n).
func (b *builder) classes() *G.Node {
	c, memory := b.Input("class", b.N)
	b.replica.class = memory
	return c
}

// replica is a graph of the net and the memory of its inputs and results.
type replica struct {
	graph     *op.Graph
	x, target []float32
	t, class  []float32 // nil for a net that knows no time or no classes
	y         *G.Node
	loss      *op.Loss
}

// replica builds the graph of k for so many images, with the loss and its
// gradients if learn says so.
func (n *net) replica(k kind, images int, learn bool) (*replica, error) {
	r := &replica{graph: op.NewGraph(images, n.back.NewDevice())}
	r.graph.Measure(n.notes, n.apart)
	b := &builder{Graph: r.graph, replica: r, learning: learn, data: n.params.Data, params: map[*Param]*G.Node{}}
	err := b.Build(func() {
		x, memory := b.Input("x", images, n.size, n.size, n.channels)
		r.x = memory
		r.y = k.forward(b, x)
		if learn {
			var loss *G.Node
			loss, r.target, r.loss = k.loss(b, r.y)
			if err := b.Differentiate(loss, b.order...); err != nil {
				panic(err)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return r, r.graph.Compile(r.y)
}

// lane is the tensors over one lane's gradients, by parameter. They are made
// once: the lanes come round at every step.
func (n *net) lane(grad []float32) map[string]*tensor.Dense {
	n.mu.Lock()
	defer n.mu.Unlock()
	lane := n.lanes[&grad[0]]
	if lane == nil {
		lane = make(map[string]*tensor.Dense, len(n.params.List))
		for _, p := range n.params.List {
			lane[p.Name] = tensor.New(tensor.WithShape(p.computeShape()...), tensor.WithBacking(p.At(grad)))
		}
		n.lanes[&grad[0]] = lane
	}
	return lane
}
