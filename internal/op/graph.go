// Package op holds the ops of the nets as Gorgonia nodes: forward and gradient
// side by side in one file. An op asks a Device for the arithmetic, so a model
// never knows where it runs.
package op

import (
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"diffuse/internal/profile"
)

// Graph is one replica of a net: a Gorgonia graph for a micro-batch of up to N
// images, the program it is compiled to and its buffers. It belongs to one
// goroutine.
//
// Build it with Input, Param and the ops, then call Compile once; after that
// fill the inputs and call Run.
type Graph struct {
	N int // images the buffers hold

	g       *G.ExprGraph
	dev     Device
	ops     int // so far: an op's number is its identity
	scope   []string
	leaves  map[*G.Node]*value
	grads   []*sink
	program *program
	active  int              // images of the last run
	profile *profile.Profile // where runs are measured; nil where they are not
	apart   bool             // measure ops of different sizes apart
	check   bool             // look at every output of the next run
	first   string           // the first op whose output was not finite
}

// NewGraph makes an empty graph for up to n images on a device.
func NewGraph(n int, dev Device) *Graph {
	return &Graph{N: n, active: n, g: G.NewGraph(), dev: dev, leaves: map[*G.Node]*value{}}
}

// Scope names the ops that build adds, as in "down_blocks.0.resnets.1".
func (b *Graph) Scope(name string, build func()) {
	b.scope = append(b.scope, name)
	build()
	b.scope = b.scope[:len(b.scope)-1]
}

func (b *Graph) name(kind string) string {
	return strings.Join(append(slices.Clone(b.scope), kind), ".")
}

// Input adds an input of the given shape, whose first dimension is N, and
// returns the memory that Run reads it from.
func (b *Graph) Input(name string, shape ...int) (*G.Node, []float32) {
	v := b.dev.New(shape...)
	return b.leaf(name, v, true), v.Float32s()
}

// Param adds a parameter whose value is data, in compute layout. Many graphs
// may share data; none of them writes it.
func (b *Graph) Param(name string, data []float32, shape ...int) *G.Node {
	return b.leaf(name, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data)), false)
}

// leaf adds a node whose value is there before a run; batch says that its first
// dimension counts images.
func (b *Graph) leaf(name string, v *tensor.Dense, batch bool) *G.Node {
	n := G.NodeFromAny(b.g, v, G.WithName(name))
	b.leaves[n] = &value{shape: v.Shape(), batch: batch, whole: v}
	return n
}

// sink is where a parameter's gradient is added to: SetGradients points it at
// a stretch of the caller's memory.
type sink struct {
	name string
	to   *tensor.Dense
}

// sink makes the place for p's gradient.
func (b *Graph) sink(p *G.Node) *sink { return b.sinkOf(p.Name()) }

// sinkOf makes the place for the gradient of the parameter called name, or for
// what is summed in its stead.
func (b *Graph) sinkOf(name string) *sink {
	s := &sink{name: name}
	b.grads = append(b.grads, s)
	return s
}

// SetGradients points the gradient of every parameter at the tensor of its name
// and size; a run adds to it.
func (b *Graph) SetGradients(to map[string]*tensor.Dense) {
	for _, s := range b.grads {
		s.to = to[s.name]
	}
}

// Differentiate adds the gradients of loss with respect to the parameters.
func (b *Graph) Differentiate(loss *G.Node, params ...*G.Node) error {
	if _, err := G.Grad(loss, params...); err != nil {
		return fmt.Errorf("differentiate the graph: %w", err)
	}
	return nil
}

// Measure makes runs add to p where their time goes; apart says whether ops of
// one class but of different sizes are told apart. It comes before Compile.
func (b *Graph) Measure(p *profile.Profile, apart bool) { b.profile, b.apart = p, apart }
