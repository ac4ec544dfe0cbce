package kernel

// pairAttention is the kernels of attention in bfloat16, for heads of dimLanes
// dims. Cells are pairs of neighbouring dims, or of the same dim of neighbouring
// keys or queries. In bfloat16 are
//
//	queries·keys (alike forward and backward, so that each query's P add up to 1),
//	dSᵀ·keys and Pᵀ·do
//
// In float32 stay softmax, Pᵀ·values, do·values and dS·queries: as they are, each
// query's dS add up to 0 exactly enough for the gradient of the keys' bias, whose
// true value is 0.
type pairAttention struct {
	scores, gradient, outer, zipRows func(*pairHeadArgs)
}

// pairHeadArgs is what these kernels read and write; which of it each uses,
// csrc/attention_pairs.c says. Rows and columns are of one head and padded.
type pairHeadArgs struct {
	panel, joined, top, lse, d, out, queries, keys, zipped, douts, values []float32

	ldc, count int
}

// pairs is the bfloat16 kernels for a head, nil where float32 must do.
func (s *Set) pairs(h head) *pairAttention {
	if !s.gemm.pairs || h.padDim != dimLanes {
		return nil
	}
	return s.attention
}

// narrowRows is the cells of pairs of dims of rows.
func (h *head) narrowRows(s *Set, ws *Workspace, rows []float32) []float32 {
	cells := ws.float32s(len(rows) / 2)
	s.gemm.narrow(cells, rows)
	return cells
}

// narrowColumns is the cells of pairs of dims of columns.
func (h *head) narrowColumns(s *Set, ws *Workspace, columns []float32) []float32 {
	cells, n := ws.float32s(len(columns)/2), h.padTokens
	for d := 0; d < h.padDim; d += 2 {
		s.gemm.zip(cells[d/2*n:][:n], columns[d*n:][:n], columns[(d+1)*n:][:n])
	}
	return cells
}

// zipRows is the cells of pairs of neighbouring rows.
func (h *head) zipRows(p *pairAttention, ws *Workspace, rows []float32) []float32 {
	a := &ws.pairHeadArgs
	cells := ws.float32s(len(rows) / 2)
	*a = pairHeadArgs{zipped: cells, values: rows, count: h.padTokens}
	p.zipRows(a)
	return cells
}

// weighPairs is weigh with scores in bfloat16.
func (h *head) weighPairs(s *Set, p *pairAttention, ws *Workspace, f *headForward) {
	defer ws.release(ws.mark())
	queries, keys := h.narrowColumns(s, ws, f.queries), h.narrowRows(s, ws, f.keys)
	a := &ws.pairHeadArgs
	defer func() { *a = pairHeadArgs{} }()
	*a = pairHeadArgs{panel: f.panel, keys: keys, ldc: h.padTokens, count: h.tokens}
	for t := 0; t < h.tokens; t += h.queries {
		a.queries, a.top = queries[t:], f.top[t:]
		p.scores(a)
		s.vec.weigh(f.panel, f.top[t:], f.sum[t:], f.out[t:], h.padTokens, f.values, h.padDim, h.tokens)
	}
}

// differentiatePairs adds the gradients of one head, from what read left in g.
func (g *headGradient) differentiatePairs(s *Set, p *pairAttention, ws *Workspace) {
	defer ws.release(ws.mark())
	queries, keys := g.narrowColumns(s, ws, g.queryColumns), g.narrowRows(s, ws, g.keyRows)
	zippedKeys, zippedDouts := g.zipRows(p, ws, g.keyRows), g.zipRows(p, ws, g.doRows)
	a := &ws.pairHeadArgs
	defer func() { *a = pairHeadArgs{} }()
	for j := 0; j < g.tokens; j += keyBlock {
		count := min(keyBlock, g.tokens-j)
		for t := 0; t < g.tokens; t += g.queries {
			*a = pairHeadArgs{
				panel: g.ds, joined: g.p, lse: g.lse[t:], d: g.d[t:], out: g.dqueries[t:],
				queries: queries[t:], keys: keys[j*dimLanes/2:], zipped: zippedKeys[j*dimLanes/2:],
				douts: g.doColumns[t:], values: g.valueRows[j*dimLanes:], ldc: g.padTokens, count: count,
			}
			p.gradient(a)
			a.panel, a.out, a.zipped = g.p, g.dvalues[j*dimLanes:], zippedDouts[t*dimLanes/2:]
			p.outer(a)
			g.addOuter(s, g.dkeys[j*dimLanes:], g.ds, g.queryRows[t*dimLanes:], count, g.joined)
		}
	}
}
