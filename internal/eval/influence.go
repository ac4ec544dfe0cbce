package eval

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// influences is how much each row of samples pulls FID, the first-order term of
// FID in the samples' distribution P about their own:
//
//	FID((1-ε)P + ε·δ_x) = FID(P) + ε·IF(x) + O(ε²)
//	IF(x) = 2(m1-m2)·(x-m1) + (x-m1)ᵀ(I-A)(x-m1) - tr((I-A)·S1)
//
// A is the linear part of the optimal map that takes N(m1, S1) to N(m2, S2), the
// symmetric A with A·S1·A = S2: the gradient of tr sqrt(S1·S2) in S1 is A/2.
// With S1 = L·Lᵀ and M = Lᵀ·S2·L, A = L⁻ᵀ·sqrt(M)·L⁻¹. Values have mean 0.
//
// m are samples' moments; where S1 is singular because features depend on each
// other, L has fewer columns and all of this holds in the space they span.
func influences(samples set, m, reference Moments) ([]float64, error) {
	d, n := m.Dim(), samples.Len()
	p := pull{samples: samples, mean: m.Mean, shift: make([]float64, d), factor: factorize(m.Sigma, d)}
	for i := range p.shift {
		p.shift[i] = m.Mean[i] - reference.Mean[i]
	}
	var err error
	if p.transport, err = p.factor.transport(reference.Sigma); err != nil {
		return nil, err
	}
	values := make([]float64, n)
	hands := make([]pullHand, min(workers(), tilesOf(n)))
	for h := range hands {
		hands[h] = newPullHand(min(tileRows, n), d, p.factor.rank)
	}
	err = each(len(hands), tilesOf(n), func(h, i int) error {
		lo := i * tileRows
		return p.rows(values[lo:min(n, lo+tileRows)], hands[h], lo)
	})
	if err != nil {
		return nil, err
	}
	mean, _ := meanVariance(values)
	for i := range values {
		values[i] -= mean
	}
	return values, nil
}

// pull is what the influence of a row depends on.
type pull struct {
	samples     set
	mean, shift []float64 // m1 and m1-m2
	factor      factor    // of S1
	transport   []float64 // w: rank×rank
}

// pullHand is one goroutine's memory: rows, their entries in pivot order, and
// those times w.
type pullHand struct {
	panel          *panel
	pivoted, moved []float64
}

func newPullHand(rows, dim, rank int) pullHand {
	return pullHand{newPanel(rows, dim), make([]float64, rows*rank), make([]float64, rows*rank)}
}

// rows writes the influences of the rows from lo, all but the trace.
func (p *pull) rows(dst []float64, h pullHand, lo int) error {
	d, r, n := len(p.mean), p.factor.rank, len(dst)
	if err := p.samples.load(h.panel.x, h.panel.narrow, lo, n); err != nil {
		return err
	}
	for i := range n {
		x := h.panel.x[i*d : (i+1)*d]
		for j := range x {
			x[j] -= p.mean[j]
		}
		for j, k := range p.factor.pivot[:r] {
			h.pivoted[i*r+j] = x[k]
		}
		dst[i] = 2*dot(p.shift, x) + dot(x, x)
	}
	if r == 0 { // all rows are the same
		return nil
	}
	timesTransposed(h.moved, r, h.pivoted, p.transport, n, r, r, 0)
	for i := range n {
		v := h.moved[i*r : (i+1)*r]
		dst[i] -= dot(v, v)
	}
	return nil
}

// transport is the rank×rank matrix w with xᵀ·A·x = ‖w·x'‖², x' the first rank
// entries of x in pivot order, x in the span of f's matrix: with M = Q·Λ·Qᵀ,
// w = Λ^¼·Qᵀ·L⁻¹ (L here the square, lower triangle of those entries).
func (f factor) transport(s2 []float64) ([]float64, error) {
	r := f.rank
	var e mat.EigenSym
	if !e.Factorize(f.congruence(s2), true) {
		return nil, fmt.Errorf("FID's interval: %w", errEigen)
	}
	if r == 0 {
		return nil, nil
	}
	var q mat.Dense
	e.VectorsTo(&q)
	w := make([]float64, r*r) // Λ^¼·Qᵀ, whose rows are w·L
	for i, v := range e.Values(nil) {
		root := math.Sqrt(math.Sqrt(max(0, v)))
		for j := range r {
			w[i*r+j] = root * q.At(j, i)
		}
	}
	// L = uᵀ, so w·L⁻¹ solves w·uᵀ = Λ^¼·Qᵀ.
	blas64.Trsm(blas.Right, blas.Trans, 1,
		blas64.Triangular{Uplo: blas.Upper, Diag: blas.NonUnit, N: r, Data: f.u, Stride: f.dim},
		blas64.General{Rows: r, Cols: r, Data: w, Stride: r})
	return w, nil
}
