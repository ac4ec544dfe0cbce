package kernel

import "math"

// Attention of one head of one image works on panels of transposed scores: the
// keys are rows and as many queries as a vector has lanes are the columns, so
// that a query's maximum, exponentials and sum are all vertical and a panel of
// 256 keys (8 KB for 8 queries) stays in the first-level cache. The score
// matrix as a whole never exists. Scores are in base 2: queries are scaled by
// log₂e/√dim, so that softmax is 2^(s−max)/Σ2^(s−max).
//
// A head is first copied out of the interleaved tensors, as rows [tokens][dim]
// or as columns [dim][tokens], both padded with zeros.

// dimLanes is the dims that a kernel treats at once; dims are padded to it.
const dimLanes = 8

// Attention writes softmax(q·kᵀ/√dim)·v of each head of each of n images to o
// (Vaswani et al. 2017, equation 1). q, k, v and o are [n][tokens][heads·dim];
// lse, [n][heads][tokens], gets each query's log Σ exp of its scaled scores
// for the gradient.
func (s *Set) Attention(ws *Workspace, o, lse, q, k, v []float32, n, tokens, heads, dim int) {
	if a := s.tileAttention(dim); a != nil {
		s.attendByTiles(ws, a, o, lse, q, k, v, n, tokens, heads)
		return
	}
	m := ws.mark()
	defer ws.release(m)
	h := s.newHead(tokens, heads, dim)
	f := headForward{
		queries: h.columns(ws), out: h.columns(ws), keys: h.rows(ws), values: h.rows(ws),
		panel: ws.float32s(tokens * h.queries), top: h.lanes(ws), sum: h.lanes(ws),
	}
	logs, pairs := h.lanes(ws), s.pairs(h)
	for i := range n * heads {
		at := h.offset(i)
		h.readColumns(s, f.queries, q[at:], math.Log2E*h.scale)
		h.readRows(s, f.keys, k[at:])
		h.readRows(s, f.values, v[at:])
		clear(f.out)
		if pairs != nil {
			h.weighPairs(s, pairs, ws, &f)
		} else {
			h.weigh(s, &f)
		}
		s.vec.normalize(f.out, h.padTokens, dim, logs, f.top, f.sum)
		s.vec.transpose(o[at:], h.stride, f.out, h.padTokens, dim, tokens, 1)
		copy(lse[i*tokens:(i+1)*tokens], logs)
	}
}

// headForward is the scratch of one head.
type headForward struct {
	queries, out []float32 // columns
	keys, values []float32 // rows
	panel        []float32 // scores, then powers of 2
	top, sum     []float32 // a query's highest score and sum of powers
}

// weigh adds the values, weighed by powers of the scores, to out.
func (h *head) weigh(s *Set, f *headForward) {
	for t := 0; t < h.tokens; t += h.queries {
		h.scores(s, f.panel, f.top[t:], f.queries[t:], f.keys, h.tokens)
		s.vec.weigh(f.panel, f.top[t:], f.sum[t:], f.out[t:], h.padTokens, f.values, h.padDim, h.tokens)
		h.addValues(s, dimLanes, f.out[t:], f.panel, f.values, h.tokens)
	}
}

// head is the geometry of one head within the interleaved tensors and in scratch.
type head struct {
	tokens, heads, dim int
	queries            int // in a panel; tokens are padded to it
	stride             int // values from a token to the next: heads·dim
	padTokens, padDim  int
	scale              float64 // 1/√dim
}

func (s *Set) newHead(tokens, heads, dim int) head {
	queries := s.vec.queries
	return head{
		tokens: tokens, heads: heads, dim: dim, queries: queries, stride: heads * dim,
		padTokens: roundUp(tokens, queries), padDim: roundUp(dim, dimLanes),
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

// readColumns copies a head, times scale, transposed.
func (h *head) readColumns(s *Set, dst, src []float32, scale float64) {
	if h.padTokens > h.tokens || h.padDim > h.dim {
		clear(dst)
	}
	s.vec.transpose(dst, h.padTokens, src, h.stride, h.tokens, h.dim, float32(scale))
}

// readRows copies a head row by row.
func (h *head) readRows(s *Set, dst, src []float32) {
	if h.padTokens > h.tokens || h.padDim > h.dim {
		clear(dst)
	}
	s.vec.copyRows(dst, h.padDim, src, h.stride, h.tokens, h.dim, 1)
}

// scores writes rows·columns, of count keys and a panel's queries, to panel,
// and each query's highest to top.
func (h *head) scores(s *Set, panel, top, columns, rows []float32, count int) {
	for d := 0; d < h.dim; d += dimLanes {
		s.vec.scores(panel, top, columns[d*h.padTokens:], h.padTokens, rows[d:], h.padDim, count, d > 0)
	}
}

// addValues adds panelᵀ·rows to the columns of a panel's queries, for the dims
// from first on.
func (h *head) addValues(s *Set, first int, columns, panel, rows []float32, count int) {
	for d := first; d < h.dim; d += dimLanes {
		s.vec.addValues(columns[d*h.padTokens:], h.padTokens, panel, rows[d:], h.padDim, count)
	}
}

// addOuter adds panel·queries, the rows of a panel's queries, to count rows.
func (h *head) addOuter(s *Set, rows, panel, queries []float32, count int, scratch []float32) {
	for d := 0; d < h.dim; d += dimLanes {
		s.vec.addOuter(rows[d:], h.padDim, panel, queries[d:], h.padDim, count, scratch)
	}
}
