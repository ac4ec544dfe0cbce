package train

import (
	"cmp"
	"math"
	"slices"

	"diffuse/internal/kernel"
	"diffuse/internal/model"
)

// Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers") steps along
// the momentum of a matrix of weights after its singular values were made alike:
//
//	M ← β·M + (1−β)·g
//	O = NewtonSchulz(β·M + (1−β)·g), near U·Vᵀ of the singular value decomposition
//	P ← P·(1 − LR·WeightDecay) − LR·0.2·√max(rows, columns)·O
//
// A window's weights are one matrix of its inputs by its outputs. The last line's
// factor makes steps as long as Adam's are (Liu et al. 2025, "Muon is Scalable for
// LLM Training", section 2.2), so that Adam steps what is no matrix with the same
// rate: biases, norms, tables, and layers of few inputs or outputs.
const (
	muonFewest = 16  // inputs and outputs of a layer that is a matrix
	muonLength = 0.2 // the root mean square of Adam's steps
)

// The quintic a·x + b·x³ + c·x⁵ that brings singular values between 0 and 1 to
// between 0.7 and 1.2 in five rounds (Jordan et al. 2024).
const (
	quinticA, quinticB, quinticC = 3.4445, -4.7750, 2.0315
	quinticRounds                = 5
)

// matrix is a parameter that Muon steps: a stretch of rows × cols values.
type matrix struct{ offset, rows, cols int }

// matrices are the parameters that Muon steps, the largest first, and spans all
// that lies between them.
func matrices(params *model.Params) (ms []matrix, spans []span) {
	lo := 0
	for _, p := range params.List {
		if p.Offset >= params.Trained() {
			break
		}
		if p.Kind != model.Matrix && p.Kind != model.Conv || min(p.Shape[0], p.Shape[1]) < muonFewest {
			continue
		}
		ms = append(ms, matrix{offset: p.Offset, rows: p.Len / p.Shape[0], cols: p.Shape[0]})
		spans = appendSpans(spans, lo, p.Offset)
		lo = p.Offset + p.Len
	}
	slices.SortStableFunc(ms, func(a, b matrix) int { return cmp.Compare(b.rows*b.cols*b.narrow(), a.rows*a.cols*a.narrow()) })
	return ms, appendSpans(spans, lo, params.Trained())
}

// size is how many values a matrix has, narrow its shorter side, long the other.
func (m matrix) size() int   { return m.rows * m.cols }
func (m matrix) narrow() int { return min(m.rows, m.cols) }
func (m matrix) long() int   { return max(m.rows, m.cols) }

// span is a stretch of parameters.
type span struct{ lo, hi int }

// appendSpans appends the parameters from lo to hi, at most a chunk at a time.
func appendSpans(spans []span, lo, hi int) []span {
	for ; lo < hi; lo += chunk {
		spans = append(spans, span{lo, min(hi, lo+chunk)})
	}
	return spans
}

// orthogonalizer is one worker's room for making singular values alike.
type orthogonalizer struct {
	kernels *kernel.Set
	ws      *kernel.Workspace
	update  []float32              // what is to be made orthogonal, laid out as the parameter
	x, next []float32              // it with its long side down
	gram    []float32              // xᵀ·x
	poly    []float32              // b·gram + c·gram²
	packed  map[int]*kernel.Packed // the form of so many columns squared that products read
}

func newOrthogonalizer(kernels *kernel.Set, ms []matrix) *orthogonalizer {
	o := &orthogonalizer{kernels: kernels.In(kernel.FP32), ws: kernel.NewWorkspace(), packed: map[int]*kernel.Packed{}}
	size, narrow := 0, 0
	for _, m := range ms {
		n := m.narrow()
		size, narrow = max(size, m.size()), max(narrow, n)
		if o.packed[n] == nil {
			o.packed[n] = o.kernels.NewPacked(product(n, n), false)
		}
	}
	for _, room := range []*[]float32{&o.update, &o.x, &o.next} {
		*room = make([]float32, size)
	}
	o.gram, o.poly = make([]float32, narrow*narrow), make([]float32, narrow*narrow)
	return o
}

// product is that of a matrix of rows × n values with one of n × n.
func product(rows, n int) kernel.Conv {
	return kernel.Conv{N: 1, H: rows, W: 1, Cin: n, Cout: n, Window: kernel.Square(1), Stride: 1}
}

// run gives m, whose values are in update, singular values near 1, its singular
// vectors staying as they are.
func (o *orthogonalizer) run(m matrix) {
	k, n := o.kernels, m.narrow()
	update, x, next := o.update[:m.size()], o.x[:m.size()], o.next[:m.size()]
	gram, poly, p := o.gram[:n*n], o.poly[:n*n], o.packed[n]
	norm := math.Sqrt(k.SumSquares(update))
	k.Combine(update, float32(1/max(norm, 1e-30)), update, 0, nil, 0, nil)
	m.turn(x, update)
	for range quinticRounds {
		clear(gram)
		k.ConvBackwardWeights(o.ws, gram, nil, x, x, product(m.long(), n))
		k.Pack(p, gram)
		k.ConvForward(o.ws, poly, gram, p, kernel.Start{}, product(n, n))
		k.Combine(poly, quinticC, poly, quinticB, gram, 0, nil)
		k.Pack(p, poly)
		k.ConvForward(o.ws, next, x, p, kernel.Start{}, product(m.long(), n))
		k.Combine(x, quinticA, x, 1, next, 0, nil)
	}
	m.back(update, x)
}

// turn writes m's values with the long side down.
func (m matrix) turn(tall, values []float32) {
	if m.rows >= m.cols {
		copy(tall, values)
		return
	}
	transpose(tall, values, m.rows, m.cols)
}

// back undoes turn.
func (m matrix) back(values, tall []float32) {
	if m.rows >= m.cols {
		copy(values, tall)
		return
	}
	transpose(values, tall, m.cols, m.rows)
}

// transpose writes x of rows × cols values to y, rows and columns exchanged.
func transpose(y, x []float32, rows, cols int) {
	for i := range rows {
		for j := range cols {
			y[j*rows+i] = x[i*cols+j]
		}
	}
}

// stepMatrix is update for one matrix.
func (o *optimizer) stepMatrix(worker int, m matrix) {
	s, k, room := &o.now, o.kernels, o.orthogonal[worker]
	at := func(flat []float32) []float32 { return flat[m.offset:][:m.size()] }
	p, momentum, g := at(s.params), at(o.m), at(s.gradient)
	beta, rest := float32(s.beta1), float32((1-s.beta1)*s.clip)
	k.Combine(momentum, beta, momentum, rest, g, 0, nil)
	update := room.update[:m.size()]
	k.Combine(update, beta, momentum, rest, g, 0, nil)
	room.run(m)
	length := muonLength * math.Sqrt(float64(m.long()))
	k.Combine(p, float32(1-s.lr*o.config.WeightDecay), p, float32(-s.lr*length), update, 0, nil)
	if o.average != nil {
		decay := emaDecay(o.config, s.update)
		k.Combine(at(o.average), float32(decay), at(o.average), float32(1-decay), p, 0, nil)
	}
}

// flops is what a step of m multiplies and adds.
func (m matrix) flops() float64 {
	n, long := float64(m.narrow()), float64(m.long())
	return quinticRounds * 2 * (2*long*n*n + n*n*n)
}
