package op

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// plan gives every op the buffer its output lives in. Two outputs share one
// where the first is dead before the second is made: Gorgonia's tape keeps a
// register for each node and would reuse nothing.
func (b *Graph) plan(results []*G.Node) error {
	order, err := G.Sort(b.g)
	if err != nil {
		return fmt.Errorf("sort the graph: %w", err)
	}
	step := make(map[*G.Node]int, len(order))
	for i := range order { // the sort puts consumers first
		step[order[len(order)-1-i]] = i
	}
	p := planner{g: b.g, dev: b.dev, step: step, last: map[*G.Node]int{}, free: map[int][]*tensor.Dense{}}
	for _, n := range results {
		p.last[n] = len(order)
	}
	p.lifetimes(order)
	p.assign(order)
	return nil
}

type planner struct {
	g     *G.ExprGraph
	dev   Device
	step  map[*G.Node]int
	last  map[*G.Node]int // the step after which a node's memory may be reused
	free  map[int][]*tensor.Dense
	dying map[int][]*tensor.Dense
}

// lifetimes walks from the last op to the first, so that what an alias needs
// reaches the memory it stands for.
func (p *planner) lifetimes(order G.Nodes) {
	for _, n := range order {
		end := max(p.last[n], p.step[n])
		p.last[n] = end
		shares := sharesMemory(n)
		for children := p.g.From(n.ID()); children.Next(); {
			child := children.Node().(*G.Node)
			p.last[child] = max(p.last[child], p.step[n])
			if shares {
				p.last[child] = max(p.last[child], end)
			}
		}
	}
}

// sharesMemory says whether n's value may be the memory of a child's: aliases
// of ours, and Gorgonia's sums of gradients, which overwrite an operand.
func sharesMemory(n *G.Node) bool {
	if o, ok := n.Op().(*op); ok {
		return o.alias
	}
	return true
}

// assign walks in the order of execution and hands out buffers by size.
func (p *planner) assign(order G.Nodes) {
	p.dying = map[int][]*tensor.Dense{}
	for _, n := range slices.Backward(order) {
		now := p.step[n]
		for _, t := range p.dying[now-1] {
			size := t.Shape().TotalSize()
			p.free[size] = append(p.free[size], t)
		}
		if o, ok := n.Op().(*op); ok && !o.alias && len(o.shape) > 0 {
			o.out = p.take(o.shape)
			p.dying[p.last[n]] = append(p.dying[p.last[n]], o.out)
		}
	}
}

// take is a tensor of a shape, over the memory of a dead one of its size where
// there is one.
func (p *planner) take(shape tensor.Shape) *tensor.Dense {
	size := shape.TotalSize()
	pool := p.free[size]
	if len(pool) == 0 {
		return p.dev.New(shape...)
	}
	t := pool[len(pool)-1]
	p.free[size] = pool[:len(pool)-1]
	return p.dev.View(t, shape...)
}
