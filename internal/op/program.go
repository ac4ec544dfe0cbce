package op

import (
	"cmp"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
)

// program is a graph made ready to run. Gorgonia builds the graph and its
// gradients; its tape would allocate at every step and run each op over the
// whole micro-batch, so steps, buffers and order are ours.
type program struct {
	segments []segment
	results  map[*G.Node]*value
}

// step is one op to compute.
type step struct {
	op         *op
	class      string // what a profile counts it as
	out, in    []*value
	from, rows *value      // folded in, see spec.plus and spec.rows
	into       kernel.Slot // folded into, see spec.places
	number     int         // in the order of execution
	parts      []part      // one for each part of the batch
}

// value is a tensor that steps make and read.
type value struct {
	shape  tensor.Shape
	batch  bool  // the first dimension counts images
	maker  *step // nil for an input or a parameter; the last one where many make parts of it
	result bool  // read after a run
	last   int   // the number of the last step that reads it

	whole *tensor.Dense // its memory
	part  bool          // which has room for a part of the batch only
	freed bool          // and serves another value by now
}

// Compile folds steps into each other where that saves a pass over memory,
// cuts the program into segments and plans the buffers; results are the nodes
// whose values are read after a run.
func (b *Graph) Compile(results ...*G.Node) error {
	c := &compiler{b: b, values: map[*G.Node]*value{}, readers: map[*value]int{}}
	if err := c.list(); err != nil {
		return err
	}
	p := &program{results: map[*G.Node]*value{}}
	for _, n := range results {
		if v := c.values[n]; v != nil {
			v.result = true
			c.readers[v]++
			p.results[n] = v
		}
	}
	c.fold()
	for i, s := range c.steps {
		s.number, s.class = i, s.op.class
		if b.apart {
			s.class += ", " + s.op.size
		}
	}
	p.segments = cut(c.steps, b.N)
	plan(b, p.segments)
	b.program = p
	return nil
}

// Result is the value of a node that Compile was told of, for all images.
func (b *Graph) Result(n *G.Node) []float32 { return b.program.results[n].whole.Float32s() }

// compiler turns nodes into steps.
type compiler struct {
	b       *Graph
	steps   []*step
	values  map[*G.Node]*value // nil for scalars and what only sinks hold
	readers map[*value]int
}

// list makes a step of every op, in the order in which the nodes were made:
// a node is made after its inputs, a gradient's ops next to each other.
func (c *compiler) list() error {
	nodes := c.b.g.AllNodes()
	slices.SortFunc(nodes, func(m, n *G.Node) int { return cmp.Compare(m.ID(), n.ID()) })
	for _, n := range nodes {
		o, ours := n.Op().(*op)
		switch {
		case c.b.g.From(n.ID()).Len() == 0:
			c.values[n] = c.b.leaves[n] // nil for the constant that Gorgonia starts gradients from
		case ours && o.compute == nil:
			if o.hands != nil {
				c.values[n] = o.hands.value
			}
		case ours:
			c.add(o, n)
		default:
			sum, err := c.sum(n)
			if err != nil {
				return err
			}
			c.add(sum, n)
		}
	}
	return nil
}

// inputs are the values of a node's operands.
func (c *compiler) inputs(n *G.Node) (in []*value) {
	for children := c.b.g.From(n.ID()); children.Next(); {
		in = append(in, c.values[children.Node().(*G.Node)])
	}
	return in
}

// add appends the step that computes n by o.
func (c *compiler) add(o *op, n *G.Node) {
	s := &step{op: o, in: c.inputs(n), number: len(c.steps)}
	for _, u := range o.uses {
		s.in = append(s.in, u.value)
	}
	for _, v := range s.in {
		c.readers[v]++
	}
	s.out = []*value{nil}
	if len(o.shape) > 0 && !o.sinks {
		s.out[0] = &value{shape: o.shape, batch: true, maker: s}
		c.values[n] = s.out[0]
	}
	for _, m := range o.makes {
		m.value = &value{shape: m.shape, batch: true, maker: s}
		s.out = append(s.out, m.value)
	}
	c.steps = append(c.steps, s)
}

// sum is the step for what Gorgonia itself adds to a graph: the sum of the
// gradients of a value that is used more than once.
func (c *compiler) sum(n *G.Node) (*op, error) {
	in := c.inputs(n)
	if len(in) != 2 || in[0] == nil || in[1] == nil || !in[0].shape.Eq(in[1].shape) || n.Op().String()[0] != '+' {
		return nil, fmt.Errorf("compile the graph: there is no kernel for Gorgonia's %v of %d inputs", n.Op(), len(in))
	}
	return &op{spec: c.b.addition("sum", in[0].shape), name: "sum of gradients", b: c.b}, nil
}
