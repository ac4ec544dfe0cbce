package linalg

import (
	"math"

	"diffuse/internal/kernel"
)

// panelRows is how many rows are reduced before the rest of the matrix is
// brought up to date at once.
const panelRows = 32

// reduction turns a symmetric matrix into a tridiagonal one, H·A·H for one
// Householder reflection H = I - tau·v·vᵀ after the other, each chosen to clear a
// row right of the first off-diagonal element. A panel of reflections is applied
// as A - V·Wᵀ - W·Vᵀ (LAPACK's dsytrd and dlatrd; Dongarra, Hammarling and
// Sorensen 1989), read and written on and above the diagonal.
type reduction struct {
	*team
	a             square
	diagonal, off []float64
	taus          []float64 // of the reflections

	first  int       // row of the panel; a multiple of kernel.Lanes64
	vw, wv []float64 // rows v and w in turn, and w and v, ld apart, for each reflection of the panel
	parts  []float64 // stripes' shares of A·v, ld apart
	x      []float64 // factors of rows of vw
}

// tridiagonal is a symmetric matrix H·T·Hᵀ, T tridiagonal, H the product of the
// reflections I - taus[i]·v·vᵀ in order: v is row i of reflections from column
// i+1 on, and zero before.
type tridiagonal struct {
	diagonal, off, taus []float64 // n, n-1, n-1
	reflections         square
}

// tridiagonalize uses a's memory.
func (t *team) tridiagonalize(a square) tridiagonal {
	r := &reduction{
		team: t, a: a, diagonal: make([]float64, a.n), off: make([]float64, a.n-1), taus: make([]float64, a.n-1),
		vw: make([]float64, 2*panelRows*a.ld), wv: make([]float64, 2*panelRows*a.ld),
		parts: make([]float64, maxStripes*a.ld), x: make([]float64, 2*panelRows),
	}
	for ; r.first < a.n; r.first += panelRows {
		r.mirrorDiagonal()
		for k := range min(panelRows, a.n-r.first) {
			r.reduceRow(k)
		}
		if next := r.first + panelRows; next < a.n {
			r.update(next)
		}
	}
	return tridiagonal{r.diagonal, r.off, r.taus, a}
}

// mirrorDiagonal fills up the squares on the diagonal for AddSymmetric64.
func (r *reduction) mirrorDiagonal() {
	a := r.a
	for i := r.first; i < a.n; i++ {
		for j := i - i%kernel.Lanes64; j < i; j++ {
			a.at[i*a.ld+j] = a.at[j*a.ld+i]
		}
	}
}

// reduceRow makes the panel's reflection k, from row first+k.
func (r *reduction) reduceRow(k int) {
	i, a := r.first+k, r.a
	// All kernels start at a multiple of their lanes, where v and w are zero as
	// far as row i reaches.
	at := i - i%kernel.Lanes64
	row := a.row(i, at)
	for q := range k {
		r.x[2*q], r.x[2*q+1] = -r.wv[2*q*a.ld+i], -r.vw[2*q*a.ld+i]
	}
	r.kernels.AddCombined64(row, r.vw[at:], a.ld, r.x[:2*k])
	r.diagonal[i] = row[i-at]
	if i == a.n-1 {
		return
	}
	at = i + 1 - (i+1)%kernel.Lanes64
	v, w := r.vw[2*k*a.ld:][at:a.padded], r.vw[(2*k+1)*a.ld:][at:a.padded]
	clear(v[:i+1-at])
	copy(v[i+1-at:], a.row(i, i+1))
	r.off[i], r.taus[i] = r.reflect(v, i+1-at)
	if r.taus[i] == 0 {
		clear(v)
		clear(w)
	} else {
		r.turnBack(k, at, r.taus[i])
	}
	copy(a.row(i, i+1), v[i+1-at:]) // the row is not needed any more
	clear(w[:i+1-at])
	copy(r.wv[2*k*a.ld+at:], w)
	copy(r.wv[(2*k+1)*a.ld+at:], v)
}

// reflect turns x, from element first on, into the v of a reflection that maps x
// to (beta, 0, 0, …) (LAPACK's dlarfg): v[first] is 1. tau is 0 where nothing is
// to be done.
func (r *reduction) reflect(x []float64, first int) (beta, tau float64) {
	alpha := x[first]
	x[first] = 0
	var norm2 [1]float64
	r.kernels.Dots64(norm2[:], x, len(x), x)
	if norm2[0] == 0 {
		return alpha, 0
	}
	beta = -math.Copysign(math.Hypot(alpha, math.Sqrt(norm2[0])), alpha)
	scale := 1 / (alpha - beta)
	for i := range x {
		x[i] *= scale
	}
	x[first] = 1
	return beta, (beta - alpha) / beta
}

// turnBack computes w = tau·p - (tau²/2·pᵀv)·v with p = A·v, A being the matrix
// as the panel's earlier reflections leave it, from column at on.
func (r *reduction) turnBack(k, at int, tau float64) {
	a := r.a
	v, w := r.vw[2*k*a.ld:][at:a.padded], r.vw[(2*k+1)*a.ld:][at:a.padded]
	r.multiply(w, v, at, 2*k)
	r.kernels.AddCombined64(w, r.wv[at:], a.ld, r.x[:2*k])
	var dot [1]float64
	r.kernels.Dots64(dot[:], w, len(w), v)
	share := tau * tau / 2 * dot[0]
	for i := range w {
		w[i] = tau*w[i] - share*v[i]
	}
}

// update applies the panel's reflections to what is right of and below next.
func (r *reduction) update(next int) {
	a := r.a
	r.add(product{
		c: a.from(next, next), ldc: a.ld, alpha: -1,
		a: operand{at: r.vw[next:], ld: a.ld}, b: operand{at: r.wv[next:], ld: a.ld},
		m: a.n - next, n: a.n - next, terms: 2 * panelRows, upper: true,
	})
}
