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
)

// spec says what an op is: its output's shape, how to compute it, and the
// nodes of its gradients.
type spec struct {
	kind  string
	shape tensor.Shape // empty for a scalar

	// forward computes the output from the inputs' values. out is owned by the
	// op, holds what the last run left, and is nil where alias is set.
	forward func(out *tensor.Dense, in []*tensor.Dense) (*tensor.Dense, error)
	// alias says that the output is memory of someone else's, the first
	// input's or a cell's, so no buffer is planned for it.
	alias bool

	// wrt says with respect to which inputs the op has a gradient.
	wrt []bool
	// backward builds the gradient of each input that wrt names from that of
	// the output, dy.
	backward func(in G.Nodes, y, dy *G.Node) (G.Nodes, error)
}

// op is a spec in a graph; it implements Gorgonia's Op and SDOp.
type op struct {
	spec
	id   int
	name string
	b    *Graph
	in   []hm.Type
	out  *tensor.Dense
	args []*tensor.Dense
}

var (
	_ G.Op   = (*op)(nil)
	_ G.SDOp = (*op)(nil)
)

// apply adds an op on inputs to the graph.
func (b *Graph) apply(s spec, inputs ...*G.Node) (*G.Node, error) {
	o := &op{spec: s, id: len(b.ops), name: b.name(s.kind), b: b, args: make([]*tensor.Dense, len(inputs))}
	for _, n := range inputs {
		o.in = append(o.in, n.Type())
	}
	b.ops = append(b.ops, o)
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

// Do computes the op; a panic in it becomes an error that names it.
func (o *op) Do(values ...G.Value) (v G.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", o.name, r)
		}
	}()
	for i, v := range values {
		o.args[i], _ = v.(*tensor.Dense) // nil for a scalar
	}
	out, err := o.forward(o.out, o.args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	if o.b.check && o.b.first == "" && !o.finite(out) {
		o.b.first = o.name
	}
	if len(o.shape) == 0 {
		return G.NewF32(out.Float32s()[0]), nil
	}
	return out, nil
}

// finite looks at the active images of a batch, or the whole of anything else.
func (o *op) finite(t *tensor.Dense) bool {
	x := t.Float32s()
	if s := t.Shape(); len(s) > 0 && s[0] == o.b.N {
		x = x[:len(x)/o.b.N*o.b.active]
	}
	return o.b.dev.AllFinite(x)
}
