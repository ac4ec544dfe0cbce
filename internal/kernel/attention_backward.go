package kernel

import "math"

// keyBlock is how many keys a pass of the gradient treats: scores, keys,
// values and their gradients of a block (24 KB at dim 8 and 8 queries, 32 KB
// at 16) stay in the first-level cache while all queries pass by.
const keyBlock = 128

// AttentionBackward is Attention's gradient: dq, dk and dv from do. o and lse
// are the forward's. The probabilities are computed again (Dao et al. 2022,
// appendix B.2): with P = exp(q·kᵀ/√dim − lse) and D = Σ do·o of a query,
//
//	dv = Pᵀ·do, dS = P∘(do·vᵀ − D), dq = dS·k/√dim, dk = dSᵀ·q/√dim
func (s *Set) AttentionBackward(ws *Workspace, dq, dk, dv, do, o, lse, q, k, v []float32, n, tokens, heads, dim int) {
	if a := s.tileAttention(dim); a != nil {
		s.differentiateByTiles(ws, a, dq, dk, dv, do, o, lse, q, k, v, n, tokens, heads)
		return
	}
	m := ws.mark()
	defer ws.release(m)
	h := s.newHead(tokens, heads, dim)
	g := newHeadGradient(ws, h)
	defer func() { ws.gradientArgs = gradientArgs{} }()
	pairs := s.pairs(h)
	for i := range n * heads {
		at := h.offset(i)
		g.read(s, do[at:], o[at:], lse[i*tokens:(i+1)*tokens], q[at:], k[at:], v[at:])
		if pairs != nil {
			g.differentiatePairs(s, pairs, ws)
		} else {
			g.differentiate(s, ws)
		}
		scale := float32(h.scale)
		s.vec.transpose(dq[at:], h.stride, g.dqueries, h.padTokens, dim, tokens, scale)
		s.vec.copyRows(dk[at:], h.stride, g.dkeys, h.padDim, tokens, dim, scale)
		s.vec.copyRows(dv[at:], h.stride, g.dvalues, h.padDim, tokens, dim, 1)
	}
}

// headGradient is the scratch of one head's gradient.
type headGradient struct {
	head
	queryColumns, doColumns, oColumns     []float32
	queryRows, doRows, keyRows, valueRows []float32
	dqueries                              []float32 // columns
	dkeys, dvalues                        []float32 // rows
	lse, d, top                           []float32 // a value a query: lse in base 2, Σ do·o, scratch
	p, ds                                 []float32 // panels of P and dS, scores and dP at first
	joined                                []float32 // addOuter's scratch: a panel's rows for two keys
}

func newHeadGradient(ws *Workspace, h head) headGradient {
	return headGradient{
		head:         h,
		queryColumns: h.columns(ws), doColumns: h.columns(ws), oColumns: h.columns(ws),
		queryRows: h.rows(ws), doRows: h.rows(ws), keyRows: h.rows(ws), valueRows: h.rows(ws),
		dqueries: h.columns(ws), dkeys: h.rows(ws), dvalues: h.rows(ws),
		lse: h.lanes(ws), d: h.lanes(ws), top: h.lanes(ws),
		p: ws.float32s(keyBlock * h.queries), ds: ws.float32s(keyBlock * h.queries), joined: ws.float32s(2 * h.queries),
	}
}

// read copies a head and clears its gradients. Padding queries are all zero,
// so that they add nothing to dkeys and dvalues.
func (g *headGradient) read(s *Set, do, o, lse, q, k, v []float32) {
	g.readColumns(s, g.queryColumns, q, math.Log2E*g.scale)
	g.readColumns(s, g.doColumns, do, 1)
	g.readColumns(s, g.oColumns, o, 1)
	g.readRows(s, g.queryRows, q)
	g.readRows(s, g.doRows, do)
	g.readRows(s, g.keyRows, k)
	g.readRows(s, g.valueRows, v)
	s.vec.scale(g.lse[:g.tokens], math.Log2E, lse)
	clear(g.lse[g.tokens:])
	s.vec.dotColumns(g.d, g.doColumns, g.oColumns, g.padTokens, g.dim)
	clear(g.dqueries)
	clear(g.dkeys)
	clear(g.dvalues)
}

// gradientArgs: a panel of queries against count keys over dimLanes dims,
//
//	panel = P = 2^(s−lse) of the scores s = keys·queries
//	dpanel = dS = P∘(values·douts − d)
//	dqueries += dSᵀ·keys
//
// queries, douts and dqueries are columns ldc values apart, keys and values rows
// ldr values apart.
type gradientArgs struct {
	panel, dpanel, dqueries, queries, douts, keys, values, lse, d []float32

	ldc, ldr, count int
}

// differentiate adds the gradients of one head, from what read left in g.
func (g *headGradient) differentiate(s *Set, ws *Workspace) {
	for j := 0; j < g.tokens; j += keyBlock {
		for t := 0; t < g.tokens; t += g.queries {
			g.panel(s, &ws.gradientArgs, t, j, min(keyBlock, g.tokens-j))
		}
	}
}

// panel adds the share of the queries from t and of count keys from j.
func (g *headGradient) panel(s *Set, a *gradientArgs, t, j, count int) {
	*a = gradientArgs{
		panel: g.p, dpanel: g.ds, dqueries: g.dqueries[t:], queries: g.queryColumns[t:], douts: g.doColumns[t:],
		keys: g.keyRows[j*g.padDim:], values: g.valueRows[j*g.padDim:], lse: g.lse[t:], d: g.d[t:],
		ldc: g.padTokens, ldr: g.padDim, count: count,
	}
	if g.padDim == dimLanes {
		s.vec.gradient(a)
	} else {
		g.scores(s, g.p, g.top, a.queries, a.keys, count)
		g.scores(s, g.ds, g.top, a.douts, a.values, count)
		s.vec.softmaxGrad(g.p, g.ds, a.lse, a.d, count)
		g.addValues(s, 0, a.dqueries, g.ds, a.keys, count)
	}
	g.addOuter(s, g.dvalues[j*g.padDim:], g.p, g.doRows[t*g.padDim:], count, g.joined)
	g.addOuter(s, g.dkeys[j*g.padDim:], g.ds, g.queryRows[t*g.padDim:], count, g.joined)
}
