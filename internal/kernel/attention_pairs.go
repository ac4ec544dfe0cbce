package kernel

// pairAttention is the kernels of attention in bfloat16, for heads of dimLanes
// dims. Cells are pairs of neighbouring dims, or of the same dim of neighbouring
// keys or queries; softmax and all sums are float32.
type pairAttention struct {
	scores, weigh, gradient, outer, zipRows func(*pairHeadArgs)
}

// pairHeadArgs is what these kernels read and write; which of it each uses,
// csrc/attention_pairs.c says. Rows and columns are of one head and padded.
type pairHeadArgs struct {
	panel, dpanel, top, sum, lse, d, out, queries, douts, keys, values, zipped []float32

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

// attendPairs adds the unnormalised output of one head to out, columns, and
// writes each query's highest score and sum of powers.
func (h *head) attendPairs(s *Set, p *pairAttention, ws *Workspace, out, panel, top, sum, queries, keys, values []float32) {
	defer ws.release(ws.mark())
	qc, kc, vc := h.narrowColumns(s, ws, queries), h.narrowRows(s, ws, keys), h.zipRows(p, ws, values)
	a := &ws.pairHeadArgs
	defer func() { *a = pairHeadArgs{} }()
	*a = pairHeadArgs{panel: panel, keys: kc, zipped: vc, ldc: h.padTokens, count: h.tokens}
	for t := 0; t < h.tokens; t += h.queries {
		a.queries, a.top, a.sum, a.out = qc[t:], top[t:], sum[t:], out[t:]
		p.scores(a)
		p.weigh(a)
	}
}

// differentiatePairs adds the gradients of one head, from what read left in g.
func (g *headGradient) differentiatePairs(s *Set, p *pairAttention, ws *Workspace) {
	defer ws.release(ws.mark())
	queries, douts := g.narrowColumns(s, ws, g.queryColumns), g.narrowColumns(s, ws, g.doColumns)
	keys, values := g.narrowRows(s, ws, g.keyRows), g.narrowRows(s, ws, g.valueRows)
	zippedKeys, zippedQueries, zippedDouts := g.zipRows(p, ws, g.keyRows), g.zipRows(p, ws, g.queryRows), g.zipRows(p, ws, g.doRows)
	a := &ws.pairHeadArgs
	defer func() { *a = pairHeadArgs{} }()
	for j := 0; j < g.tokens; j += keyBlock {
		count := min(keyBlock, g.tokens-j)
		for t := 0; t < g.tokens; t += g.queries {
			*a = pairHeadArgs{
				panel: g.p, dpanel: g.ds, lse: g.lse[t:], d: g.d[t:], out: g.dqueries[t:],
				queries: queries[t:], douts: douts[t:], keys: keys[j*dimLanes/2:], values: values[j*dimLanes/2:],
				zipped: zippedKeys[j*dimLanes/2:], ldc: g.padTokens, count: count,
			}
			p.gradient(a)
			a.out, a.zipped = g.dvalues[j*dimLanes:], zippedDouts[t*dimLanes/2:]
			p.outer(a)
			a.panel, a.out, a.zipped = g.ds, g.dkeys[j*dimLanes:], zippedQueries[t*dimLanes/2:]
			p.outer(a)
		}
	}
}
