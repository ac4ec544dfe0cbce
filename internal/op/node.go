package op

import (
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"sync"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
	"diffuse/internal/profile"
)

// spec says what an op is: its output's shape, how to compute it, and the
// nodes of its gradients.
type spec struct {
	kind  string
	class string       // what a profile counts it as
	size  string       // what tells it from others of its class
	shape tensor.Shape // empty for a scalar

	// compute fills p.out from p.in; nil for a node that hands out what another
	// op has made.
	compute func(p *part)
	hands   *cell // what such a node hands out; nil where nobody reads it

	makes []*cell // what compute fills besides the output: p.out[1:]
	uses  []*cell // what compute reads besides the inputs: the end of p.in
	over  []int   // inputs whose memory the output may take
	sinks bool    // compute adds to gradients of parameters and writes no output
	whole bool    // compute needs all images at once

	// What may be folded into the op by Compile.
	sum      bool // the op adds its two inputs and does nothing else
	plus     bool // compute adds p.from to the output unless it is nil
	addsRows bool // the op adds a row for each image to its first input
	rows     bool // compute adds p.rows, a row an image, to every pixel unless it is nil
	joins    bool // the op puts the channels of its inputs behind each other and does nothing else
	places   bool // compute writes to the channels p.into of a wider output, where there is one

	// work is what an image costs.
	work profile.Work

	// wrt says with respect to which inputs the op has a gradient.
	wrt []bool
	// backward builds the gradient of each input that wrt names from that of
	// the output, dy.
	backward func(in G.Nodes, y, dy *G.Node) (G.Nodes, error)
}

// cell is a tensor that one op makes beside its output for another one.
type cell struct {
	shape tensor.Shape // the first dimension counts images
	value *value       // once compiled
}

// cell makes one.
func (b *Graph) cell(shape ...int) *cell { return &cell{shape: tensor.Shape(shape)} }

// part is what an op computes at a time: images [lo, lo+n) of the micro-batch.
// Tensors of a batch hold at least n images, those from lo on; parameters are
// whole.
type part struct {
	lo, n      int
	out, in    []*tensor.Dense
	from, rows *tensor.Dense // see spec.plus and spec.rows
	into       kernel.Slot   // see spec.places
}

// op is a spec in a graph; it implements Gorgonia's Op and SDOp.
type op struct {
	spec
	id   int
	name string
	b    *Graph
	in   []hm.Type
}

var (
	_ G.Op   = (*op)(nil)
	_ G.SDOp = (*op)(nil)
)

// apply adds an op on inputs to the graph.
func (b *Graph) apply(s spec, inputs ...*G.Node) (*G.Node, error) {
	if s.size == "" && len(s.shape) > 0 {
		s.size = fmt.Sprint(s.shape[1:])
	}
	o := &op{spec: s, id: b.ops, name: b.name(s.kind), b: b}
	for _, n := range inputs {
		o.in = append(o.in, n.Type())
	}
	b.ops++
	n, err := G.ApplyOp(o, inputs...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	return n, nil
}

// must is apply for the ops' own use: the shapes are theirs, so an error is a
// defect of the model; Build turns it into an error.
func (b *Graph) must(s spec, inputs ...*G.Node) *G.Node {
	n, err := b.apply(s, inputs...)
	if err != nil {
		panic(err)
	}
	return n
}

// building is held while a graph is built: Gorgonia's graphs share constants
// whose hashes it computes when they are first used, and workers build theirs at
// the same time.
var building sync.Mutex

// Build runs build, one graph at a time, and turns a panic of an op's
// construction into an error.
func (b *Graph) Build(build func()) (err error) {
	building.Lock()
	defer building.Unlock()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("build the graph: %v", r)
		}
	}()
	build()
	return nil
}

func (o *op) Arity() int { return len(o.in) }

// Type is made afresh on every call: Gorgonia takes the value apart.
func (o *op) Type() hm.Type {
	var out hm.Type = G.Float32
	if len(o.shape) > 0 {
		out = G.TensorType{Dims: len(o.shape), Of: G.Float32}
	}
	return hm.NewFnType(append(slices.Clone(o.in), out)...)
}

func (o *op) InferShape(...G.DimSizer) (tensor.Shape, error) { return o.shape.Clone(), nil }
func (o *op) ReturnsPtr() bool                               { return true }
func (o *op) CallsExtern() bool                              { return false }
func (o *op) OverwritesInput() int                           { return -1 }
func (o *op) String() string                                 { return o.name }

// WriteHash holds the op's number, so that no two are merged.
func (o *op) WriteHash(h hash.Hash) {
	_ = binary.Write(h, binary.LittleEndian, uint64(o.id)) // a hash never fails
}

func (o *op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *op) DiffWRT(n int) []bool {
	if o.wrt == nil {
		return make([]bool, n)
	}
	return o.wrt
}

func (o *op) SymDiff(in G.Nodes, out, dy *G.Node) (grads G.Nodes, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: gradient: %v", o.name, r)
		}
	}()
	o.b.scope = append(o.b.scope, o.name)
	defer func() { o.b.scope = o.b.scope[:len(o.b.scope)-1] }()
	return o.backward(in, out, dy)
}

// Do is for Gorgonia's own machines, which we do without.
func (o *op) Do(...G.Value) (G.Value, error) {
	return nil, fmt.Errorf("%s: runs in a compiled graph only", o.name)
}
