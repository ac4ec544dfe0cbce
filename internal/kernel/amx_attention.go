package kernel

import "math"

// amxAttention is the kernels of attention for tiles, for heads of dimLanes dims. An
// image's operands are narrowed at once, for all heads: a head's part of a row of
// tokens is a tile's row.
//
// In bfloat16 are all products. What keys have in common does not change softmax, so
// their gradients add up to 0; rounding leaves a sum, whose mean is taken away. To the
// keys' bias it would be the whole of its gradient.
type amxAttention struct {
	forward, gradient func(*amxAttentionArgs)
	dots              func(*dotArgs)
}

// amxQueries is the queries of a tile; attention's tokens are padded to pairs of them.
const amxQueries = 16

// amxAttentionArgs is what the kernels read and write of one head, as said in
// csrc/amx_attention.c.
type amxAttentionArgs struct {
	panel, joined, pairs              *float32
	keys, values, planes              *float32
	queries, douts, qpairs, dpairs    *float32
	out, dkeys, dvalues               *float32
	top, sum                          *float32
	ldrows, ldplanes, ldcolumns, size int
	count, blocks                     int
	block                             int //nolint:unused // the assembly's own
}

// dotArgs: out[h·ldo+r] = Σ a·b of head h of row r; a and b are [rows][n].
type dotArgs struct {
	out, a, b    *float32
	rows, n, ldo int
}

// tileHeads is the geometry of an image's heads in scratch.
type tileHeads struct {
	tokens, heads, stride int // stride is heads·dimLanes
	padTokens             int
	scale                 float32 // log₂e/√dim: scores are in base 2
}

// tileAttention is the kernels for heads of so many dims, nil where others must do.
func (s *Set) tileAttention(dim int) *amxAttention {
	if s.gemm.amx == nil || dim != dimLanes {
		return nil
	}
	return s.gemm.amx.attention
}

func newTileHeads(tokens, heads int) tileHeads {
	return tileHeads{
		tokens: tokens, heads: heads, stride: heads * dimLanes, padTokens: roundUp(tokens, 2*amxQueries),
		scale: float32(math.Log2E / math.Sqrt(dimLanes)),
	}
}

// rows is [padTokens][stride/2] pairs of dims of x, [tokens][stride].
func (h *tileHeads) rows(s *Set, ws *Workspace, x []float32) []float32 {
	cells := ws.float32s(h.padTokens * h.stride / 2)
	n := h.tokens * h.stride
	inBlocks(n, func(i, j int) { s.gemm.narrow(cells[i/2:], x[i:j]) })
	clear(cells[n/2:])
	return cells
}

// columns is [stride/2][padTokens] pairs of dims.
func (h *tileHeads) columns(s *Set, ws *Workspace, x []float32) []float32 {
	cells := ws.float32s(h.padTokens * h.stride / 2)
	defer ws.release(ws.mark())
	s.vec.turn(cells, h.padTokens, h.rows(s, ws, x), h.stride/2, h.padTokens, h.stride/2)
	return cells
}

// planes is [stride][cells] pairs of tokens, so many cells apart.
func (h *tileHeads) planes(s *Set, ws *Workspace, x []float32) (planes []float32, cells int) {
	image := images{n: 1, h: 1, w: h.tokens, c: h.stride}
	down, across := Conv{Window: Square(1), Stride: 1}.forward(0)
	t := ws.gradients(planar{images: image, out: image, down: down, across: across})
	planes = ws.float32s((roundUp(h.stride, tileRows) + tileRows) * t.plane) // a tile may read the next head's
	s.fillPlanes(ws, planes, x, t, h.stride)
	return planes, t.plane
}

// pairs is [padTokens/2][stride] pairs of tokens.
func (h *tileHeads) pairs(s *Set, ws *Workspace, x []float32) []float32 {
	cells := ws.float32s(h.padTokens * h.stride / 2)
	defer ws.release(ws.mark())
	zeros := ws.float32s(h.stride)
	clear(zeros)
	for t := 0; t < h.tokens; t += 2 {
		low, high := x[t*h.stride:][:h.stride], zeros
		if t+1 < h.tokens {
			high = x[(t+1)*h.stride:][:h.stride]
		}
		s.gemm.zip(cells[t/2*h.stride:], low, high)
	}
	clear(cells[(h.tokens+1)/2*h.stride:])
	return cells
}

// blocks is how many blocks of queries a call of a kernel takes, an even number of
// them: some 100 µs.
func (h *tileHeads) blocks() int {
	const scores = 1 << 17
	return min(max(scores/(h.padTokens*2*amxQueries), 1)*2, h.padTokens/amxQueries)
}

// attendByTiles is Attention for tiles.
func (s *Set) attendByTiles(ws *Workspace, a *amxAttention, o, lse, q, k, v []float32, n, tokens, heads int) {
	defer ws.release(ws.mark())
	h := newTileHeads(tokens, heads)
	args := &ws.amxAttentionArgs
	defer func() { *args = amxAttentionArgs{} }()
	panel, joined := ws.float32s(h.padTokens*amxQueries), ws.float32s(2*amxQueries*amxQueries)
	top, sum, logs, out := ws.float32s(h.padTokens), ws.float32s(h.padTokens), ws.float32s(h.padTokens), ws.float32s(h.stride*h.padTokens)
	for i := range n {
		m, image := ws.mark(), i*tokens*h.stride
		keys := h.rows(s, ws, k[image:])
		values, plane := h.planes(s, ws, v[image:])
		queries := h.columns(s, ws, h.scaled(s, ws, q[image:]))
		for head := range heads {
			*args = amxAttentionArgs{
				panel: &panel[0], joined: &joined[0], keys: &keys[head*dimLanes/2], planes: &values[head*dimLanes*plane],
				ldrows: h.stride / 2, ldplanes: plane, ldcolumns: h.padTokens, count: tokens,
			}
			column := out[head*dimLanes*h.padTokens:]
			h.inBlocks(func(t, blocks int) {
				args.queries, args.out, args.top, args.sum = &queries[head*dimLanes/2*h.padTokens+t], &column[t], &top[t], &sum[t]
				args.blocks = blocks
				a.forward(args)
			})
			s.vec.normalize(column, h.padTokens, dimLanes, logs, top, sum)
			copy(lse[(i*heads+head)*tokens:][:tokens], logs)
		}
		s.vec.transpose(o[image:], h.stride, out, h.padTokens, h.stride, tokens, 1)
		ws.release(m)
	}
}

// scaled is x times the scale of scores.
func (h *tileHeads) scaled(s *Set, ws *Workspace, x []float32) []float32 {
	y := ws.float32s(h.tokens * h.stride)
	s.vec.scale(y, h.scale, x[:len(y)])
	return y
}

// inBlocks calls f for the queries from t on, whole blocks of them.
func (h *tileHeads) inBlocks(f func(t, blocks int)) {
	all, step := h.padTokens/amxQueries, h.blocks()
	for b := 0; b < all; b += step {
		f(b*amxQueries, min(step, all-b))
	}
}

// differentiateByTiles is AttentionBackward for tiles. Forward and backward, P is
// made by the same arithmetic of the same operands, so that it adds up to 1.
func (s *Set) differentiateByTiles(ws *Workspace, a *amxAttention, dq, dk, dv, do, o, lse, q, k, v []float32, n, tokens, heads int) {
	defer ws.release(ws.mark())
	h := newTileHeads(tokens, heads)
	args := &ws.amxAttentionArgs
	defer func() { *args = amxAttentionArgs{} }()
	size := h.padTokens * amxQueries
	panel, joined, pairs := ws.float32s(8*amxQueries*amxQueries), ws.float32s(2*amxQueries*amxQueries), ws.float32s(2*size)
	logs, dqueries := ws.float32s(h.padTokens), ws.float32s(h.stride*h.padTokens)
	dkeys, dvalues := ws.float32s(h.padTokens*h.stride), ws.float32s(h.padTokens*h.stride)
	dots := ws.float32s(heads * h.padTokens)
	clear(dots)
	clear(logs)
	for i := range n {
		m, image := ws.mark(), i*tokens*h.stride
		scaled := h.scaled(s, ws, q[image:])
		keys, values := h.rows(s, ws, k[image:]), h.rows(s, ws, v[image:])
		planes, plane := h.planes(s, ws, k[image:])
		queries, douts := h.columns(s, ws, scaled), h.columns(s, ws, do[image:])
		qpairs, dpairs := h.pairs(s, ws, scaled), h.pairs(s, ws, do[image:])
		clear(dkeys)
		clear(dvalues)
		h.dots(ws, a, dots, do[image:], o[image:])
		for head := range heads {
			s.vec.scale(logs[:tokens], -math.Log2E, lse[(i*heads+head)*tokens:][:tokens])
			row, column := head*dimLanes, head*dimLanes*h.padTokens
			*args = amxAttentionArgs{
				panel: &panel[0], joined: &joined[0], pairs: &pairs[0], size: size,
				keys: &keys[row/2], values: &values[row/2], planes: &planes[row*plane], dkeys: &dkeys[row], dvalues: &dvalues[row],
				ldrows: h.stride / 2, ldplanes: plane, ldcolumns: h.padTokens, count: tokens,
			}
			h.inBlocks(func(t, blocks int) {
				args.queries, args.douts = &queries[column/2+t], &douts[column/2+t]
				args.qpairs, args.dpairs = &qpairs[t/2*h.stride+row], &dpairs[t/2*h.stride+row]
				args.out, args.top, args.sum, args.blocks = &dqueries[column+t], &logs[t], &dots[head*h.padTokens+t], blocks
				a.gradient(args)
			})
		}
		scale := float32(1 / math.Sqrt(dimLanes))
		s.vec.transpose(dq[image:], h.stride, dqueries, h.padTokens, h.stride, tokens, scale)
		h.writeKeys(s, ws, dk[image:][:tokens*h.stride], dkeys[:tokens*h.stride])
		copy(dv[image:][:tokens*h.stride], dvalues)
		ws.release(m)
	}
}

// dots writes Σ do·o of each head's queries, [heads][padTokens].
func (h *tileHeads) dots(ws *Workspace, a *amxAttention, out, do, o []float32) {
	args := &ws.dotArgs
	defer func() { *args = dotArgs{} }()
	inRows(h.tokens, h.stride, func(i, j int) {
		*args = dotArgs{out: &out[i/h.stride], a: &do[i], b: &o[i], rows: (j - i) / h.stride, n: h.stride, ldo: h.padTokens}
		a.dots(args)
	})
}

// writeKeys scales the keys' gradients, less their mean.
func (h *tileHeads) writeKeys(s *Set, ws *Workspace, dk, dkeys []float32) {
	defer ws.release(ws.mark())
	mean := ws.float32s(h.stride)
	clear(mean)
	s.sumColumns(ws, mean, dkeys, h.stride)
	s.vec.scale(mean, -math.Ln2/float32(h.tokens), mean)
	inRows(h.tokens, h.stride, func(i, j int) {
		s.vec.scale(dk[i:j], math.Ln2, dkeys[i:j])
		s.vec.addRow(dk[i:j], dk[i:j], mean)
	})
}
