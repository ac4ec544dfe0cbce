package kernel

import "math"

// Attention of one head of one image works on panels of transposed scores: the
// keys are rows and queryLanes queries are the lanes of each row, so that a
// query's maximum, exponentials and sum are all vertical and a panel of 256
// keys (8 KB) stays in the first-level cache. The score matrix as a whole never
// exists. Scores are in base 2: queries are scaled by log₂e/√dim, so that
// softmax is 2^(s−max)/Σ2^(s−max).
//
// Scores are products of columns with columns, so that a dim of 8 keys is 8
// values in a row; all else multiplies a panel with rows. A head is first copied out of the interleaved tensors: as rows [tokens][dim],
// the dims padded to dimLanes with arbitrary values, or as columns
// [dim][tokens], the tokens padded to queryLanes with zeros.

const (
	queryLanes = 8 // queries in a panel; keys come in as many at a time
	dimLanes   = 8 // dims that softmaxValues, addValues and addOuter treat at once
)

// Attention writes softmax(q·kᵀ/√dim)·v of each head of each of n images to o
// (Vaswani et al. 2017, equation 1). q, k, v and o are [n][tokens][heads·dim];
// lse, [n][heads][tokens], gets each query's log Σ exp of its scaled scores
// for the gradient.
func (s *Set) Attention(ws *Workspace, o, lse, q, k, v []float32, n, tokens, heads, dim int) {
	m := ws.mark()
	defer ws.release(m)
	h := newHead(tokens, heads, dim)
	queries, keys, values := h.columns(ws), h.columns(ws), h.rows(ws)
	out, panel := h.columns(ws), ws.float32s(h.padTokens*queryLanes)
	top, sum, logs := h.lanes(ws), h.lanes(ws), h.lanes(ws)
	for i := range n * heads {
		at := h.offset(i)
		h.readColumns(s, queries, q[at:], math.Log2E*h.scale)
		h.readColumns(s, keys, k[at:], 1)
		h.readRows(s, values, v[at:])
		for t := 0; t < tokens; t += queryLanes {
			s.vec.scores(panel, queries[t:], keys, h.padTokens, tokens, dim)
			s.vec.softmaxValues(out[t:], h.padTokens, top[t:], sum[t:], panel, values, h.padDim, tokens)
			for d := dimLanes; d < dim; d += dimLanes {
				block := out[d*h.padTokens+t:]
				h.clearBlock(block)
				s.vec.addValues(block, h.padTokens, panel, values[d:], h.padDim, tokens)
			}
		}
		s.vec.normalize(out, h.padTokens, dim, logs, top, sum)
		s.vec.transpose(o[at:], h.stride, out, h.padTokens, dim, tokens, 1)
		copy(lse[i*tokens:(i+1)*tokens], logs)
	}
}

// head is the geometry of one head within the interleaved tensors and in scratch.
type head struct {
	tokens, heads, dim int
	stride             int // values from a token to the next: heads·dim
	padTokens, padDim  int
	scale              float64 // 1/√dim
}

func newHead(tokens, heads, dim int) head {
	return head{
		tokens: tokens, heads: heads, dim: dim, stride: heads * dim,
		padTokens: roundUp(tokens, queryLanes), padDim: roundUp(dim, dimLanes),
		scale: 1 / math.Sqrt(float64(dim)),
	}
}

func roundUp(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }

// offset is where the i-th head of a batch starts in the interleaved tensors.
func (h *head) offset(i int) int {
	image, head := i/h.heads, i%h.heads
	return image*h.tokens*h.stride + head*h.dim
}

// lanes, columns and rows are scratch: a value a query, [dim][tokens] and
// [tokens][dim], the padding included.
func (h *head) lanes(ws *Workspace) []float32   { return ws.float32s(h.padTokens) }
func (h *head) columns(ws *Workspace) []float32 { return ws.float32s(h.padDim * h.padTokens) }
func (h *head) rows(ws *Workspace) []float32    { return ws.float32s(h.padTokens * h.padDim) }

// readColumns copies a head, times scale, transposed; padding tokens are zero.
func (h *head) readColumns(s *Set, dst, src []float32, scale float64) {
	s.vec.transpose(dst, h.padTokens, src, h.stride, h.tokens, h.dim, float32(scale))
	for d := range h.dim {
		clear(dst[d*h.padTokens+h.tokens : (d+1)*h.padTokens])
	}
}

// readRows copies a head row by row; padding tokens are zero.
func (h *head) readRows(s *Set, dst, src []float32) {
	s.vec.copyRows(dst, h.padDim, src, h.stride, h.tokens, h.dim, 1)
	clear(dst[h.tokens*h.padDim : h.padTokens*h.padDim])
}

// clearBlock zeroes the panel of columns that starts block.
func (h *head) clearBlock(block []float32) {
	for d := range dimLanes {
		clear(block[d*h.padTokens:][:queryLanes])
	}
}
