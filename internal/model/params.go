package model

import "fmt"

// Kind says how a parameter's PyTorch layout relates to the compute layout.
type Kind int

// The kinds of parameters.
const (
	Vector  Kind = iota // (n): biases, norm weights; the same in both layouts
	Matrix              // PyTorch (out, in); computed with as (in, out)
	Conv                // PyTorch (out, in, ky, kx); computed with as (ky, kx, in, out)
	Table               // (rows, n): an embedding; the same in both layouts
	Running             // (n): a statistic that is measured, not trained; behind all others
)

// Param is one named parameter: a stretch of Params.Data.
type Param struct {
	Name   string // diffusers' name, such as "down_blocks.0.resnets.1.conv1.weight"
	Kind   Kind
	Shape  []int // PyTorch's shape
	Offset int   // first element in Params.Data
	Len    int
}

// Params are a net's parameters, back to back in one slice in compute layout,
// listed in diffusers' order.
type Params struct {
	Data []float32
	List []*Param
}

// Add appends a parameter of zeros; Data is allocated by Alloc.
func (ps *Params) Add(name string, kind Kind, shape ...int) *Param {
	p := &Param{Name: name, Kind: kind, Shape: shape, Offset: ps.Count(), Len: 1}
	for _, d := range shape {
		p.Len *= d
	}
	ps.List = append(ps.List, p)
	return p
}

// Count is the number of parameters' elements.
func (ps *Params) Count() int {
	if len(ps.List) == 0 {
		return 0
	}
	last := ps.List[len(ps.List)-1]
	return last.Offset + last.Len
}

// Trained is the number of elements that an optimizer changes, the first ones.
func (ps *Params) Trained() int {
	for _, p := range ps.List {
		if p.Kind == Running {
			return p.Offset
		}
	}
	return ps.Count()
}

// Alloc makes Data, all zeros.
func (ps *Params) Alloc() { ps.Data = make([]float32, ps.Count()) }

// At is p's stretch of a slice laid out as Params.Data: weights, gradients,
// moments and averages share the layout.
func (p *Param) At(flat []float32) []float32 { return flat[p.Offset : p.Offset+p.Len] }

// ToTorch writes p's stretch of flat to dst in PyTorch's layout.
func (p *Param) ToTorch(dst, flat []float32) {
	src := p.At(flat)
	p.eachIndex(func(torch, compute int) { dst[torch] = src[compute] })
}

// FromTorch writes src, in PyTorch's layout, to p's stretch of flat.
func (p *Param) FromTorch(flat, src []float32) error {
	if len(src) != p.Len {
		return fmt.Errorf("parameter %s has %d elements, not %d", p.Name, p.Len, len(src))
	}
	dst := p.At(flat)
	p.eachIndex(func(torch, compute int) { dst[compute] = src[torch] })
	return nil
}

// computeShape is the shape of the compute layout.
func (p *Param) computeShape() []int {
	switch p.Kind {
	case Matrix:
		return []int{p.Shape[1], p.Shape[0]}
	case Conv:
		return []int{p.Shape[2], p.Shape[3], p.Shape[1], p.Shape[0]}
	default:
		return p.Shape
	}
}

// eachIndex visits every element by its index in both layouts.
func (p *Param) eachIndex(visit func(torch, compute int)) {
	switch p.Kind {
	case Vector, Table, Running:
		for i := range p.Len {
			visit(i, i)
		}
	default: // (out, in, taps) to (taps, in, out); a matrix has one tap
		out, in := p.Shape[0], p.Shape[1]
		taps := p.Len / (out * in)
		for o := range out {
			for i := range in {
				for k := range taps {
					visit((o*in+i)*taps+k, (k*in+i)*out+o)
				}
			}
		}
	}
}
