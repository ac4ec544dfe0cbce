package linalg

import (
	"fmt"
	"math"
)

// Transport is the linear part A of the optimal map that takes N(0, S1) to
// N(0, S2), the symmetric positive semidefinite A with A·S1·A = S2: A/2 is the
// gradient of tr sqrt(S1·S2) in S1. With S1 = Uᵀ·U and M = U·S2·Uᵀ,
//
//	xᵀ·A·x = yᵀ·sqrt(M)·y, y = U⁻ᵀ·x
//
// M = H·T·Hᵀ is tridiagonalized and no more: no eigenvector is computed. Where S1
// is singular, this holds for x in the space of its columns.
//
// Source: Olkin and Pukelsheim 1982, "The distance between two random vectors
// with given dispersion matrices".
type Transport struct {
	team     *team
	dim      int
	factor   factor
	m        tridiagonal
	root     rootOfT
	exponent int // of 2 that xᵀ·A·x is yet to be multiplied by the root of
}

// NewTransport takes symmetric positive semidefinite d×d matrices, such as
// covariances; errors are those of TraceSqrtProduct. Memory is 3·d² while it is made
// and 2·d² afterwards.
func NewTransport(s1, s2 []float64, d, workers int) (*Transport, error) {
	return newTeam(workers).newTransport(s1, s2, d)
}

func (t *team) newTransport(s1, s2 []float64, d int) (*Transport, error) {
	if err := checkSize(names[1], s2, d); err != nil {
		return nil, err
	}
	f, e1, err := t.factorize(names[0], s1, d)
	if err != nil {
		return nil, err
	}
	other := newSquare(d)
	e2, err := t.load(other, names[1], s2)
	if err != nil {
		return nil, err
	}
	p := &Transport{team: t, dim: d, factor: f, exponent: e2 - e1}
	if f.rank > 0 {
		p.m = t.tridiagonalize(t.congruence(f, other))
		p.root, err = newRootOfT(p.m.diagonal, p.m.off)
	}
	return p, err
}

// Forms writes dst[i] = xᵀ·A·x for each row x of d features, x[i·d+j], to about
// 1e-6·|y|²·sqrt(Λ), Λ the largest eigenvalue of M. |y|² is x's squared
// Mahalanobis distance under S1. One call at a time; memory is about
// that of x.
func (p *Transport) Forms(dst, x []float64) {
	r := p.factor.rank
	mustHave("X", x, len(dst)*p.dim)
	clear(dst)
	if r == 0 || len(dst) == 0 {
		return
	}
	y := make([]float64, len(dst)*r)
	p.team.each(len(dst), func(i int) {
		for j, k := range p.factor.pivot[:r] {
			y[i*r+j] = x[i*p.dim+k]
		}
	})
	p.team.solve(p.factor, y, len(dst))
	p.team.reflect(p.m, y, len(dst))
	p.team.each(len(dst), func(i int) {
		dst[i] = scaleByRoot(p.root.form(y[i*r:][:r]), p.exponent)
	})
}

// bandCols is the columns of U, and the reflections, that rows meet at once:
// whole tiles, whatever their width.
const bandCols = 48

// solve replaces rows x of f.rank values by y, yᵀ·U = xᵀ.
func (t *team) solve(f factor, x []float64, rows int) {
	r := f.rank
	for first := 0; first < r; first += bandCols {
		end := min(first+bandCols, r)
		t.add(product{ // what the values before add to these
			c: x[first:], ldc: r, alpha: -1,
			a: operand{at: x, ld: r, turned: true}, b: operand{at: f.u.at[first:], ld: f.u.ld},
			m: rows, n: end - first, terms: first,
		})
		t.each(rows, func(i int) {
			y := x[i*r+first : i*r+end]
			for k := range y {
				u := f.u.at[(first+k)*f.u.ld+first+k : (first+k)*f.u.ld+end]
				y[k] /= u[0]
				for j, v := range u[1:] {
					y[k+1+j] -= y[k] * v
				}
			}
		})
	}
}

// reflect replaces rows y by yᵀ·H, a band of reflections at a time: they are
// I - Vᵀ·S·V, rows of V being v, and S upper triangular (Schreiber and Van Loan
// 1989, "A storage-efficient WY representation").
func (t *team) reflect(m tridiagonal, y []float64, rows int) {
	n := len(m.diagonal)
	v, sv, yv := make([]float64, bandCols*n), make([]float64, bandCols*n), make([]float64, rows*bandCols)
	for first := 0; first < n-1; first += bandCols {
		count, width := min(bandCols, n-1-first), n-1-first // v is zero up to column first
		t.band(m, first, count, v, sv)
		clear(yv)
		t.add(product{ // Y·Vᵀ
			c: yv, ldc: bandCols, alpha: 1,
			a: operand{at: y[first+1:], ld: n, turned: true}, b: operand{at: v, ld: width, turned: true},
			m: rows, n: count, terms: width,
		})
		t.add(product{
			c: y[first+1:], ldc: n, alpha: -1,
			a: operand{at: yv, ld: bandCols, turned: true}, b: operand{at: sv, ld: width},
			m: rows, n: width, terms: count,
		})
	}
}

// band writes the rows of V and of S·V for count reflections from first on,
// columns from first+1 on.
func (t *team) band(m tridiagonal, first, count int, v, sv []float64) {
	width := len(m.diagonal) - 1 - first
	for k := range count {
		row := v[k*width:][:width]
		clear(row[:k])
		copy(row[k:], m.reflections.row(first+k, first+k+1))
	}
	var vv, s [bandCols * bandCols]float64
	t.add(product{ // V·Vᵀ
		c: vv[:], ldc: bandCols, alpha: 1,
		a: operand{at: v, ld: width, turned: true}, b: operand{at: v, ld: width, turned: true},
		m: count, n: count, terms: width,
	})
	for k := range count {
		tau := m.taus[first+k]
		s[k*bandCols+k] = tau
		for i := range k { // column k of S is -tau·S·(V·v)
			sum := 0.0
			for j := i; j < k; j++ {
				sum += s[i*bandCols+j] * vv[j*bandCols+k]
			}
			s[i*bandCols+k] = -tau * sum
		}
	}
	clear(sv[:count*width])
	t.add(product{
		c: sv, ldc: width, alpha: 1,
		a: operand{at: s[:], ld: bandCols, turned: true}, b: operand{at: v, ld: width},
		m: count, n: width, terms: count,
	})
}

// rootOfT is the square root of a tridiagonal matrix T, such that forms of it
// cost a few solves each: the trapezoidal rule in s for
//
//	sqrt(x) = 2/π·∫ x/(x+t²) dt, t = exp(s)
//
// which errs by 2·exp(-π²/step) of sqrt(x) (Trefethen and Weideman 2014, "The
// exponentially convergent trapezoidal rule"). Nodes beyond the first and the
// last add up to multiples of 1 and of x. T is divided by its largest
// eigenvalue, which leaves x in [0, 1].
type rootOfT struct {
	diagonal, off  []float64
	scale          float64   // root of the largest eigenvalue; 0 of none
	below, inverse []float64 // of the factors L·D·Lᵀ of T + t², [n][rootNodes]: L left of its diagonal, and D⁻¹
}

const (
	rootStep  = 0.6  // an error of 1.4e-7
	firstNode = 1e-6 // roots below it are off by as much, as a share of the largest
	rootNodes = 31   // up to t = 66: the last error is t⁻³
)

func newRootOfT(diagonal, off []float64) (rootOfT, error) {
	n := len(diagonal)
	t := tridiagonal{diagonal: append([]float64(nil), diagonal...), off: append([]float64(nil), off...)}
	values, err := t.eigenvalues()
	if err != nil {
		return rootOfT{}, fmt.Errorf("the optimal map of two covariances: %w", err)
	}
	least, largest := min(0, values[0]), values[n-1]
	if largest <= 0 {
		return rootOfT{}, nil
	}
	r := rootOfT{
		diagonal: make([]float64, n), off: make([]float64, n-1), scale: math.Sqrt(largest),
		below: make([]float64, n*rootNodes), inverse: make([]float64, n*rootNodes),
	}
	for i, v := range diagonal {
		r.diagonal[i] = (v - least) / largest // least is not zero where statistics were rounded
	}
	for i, v := range off {
		r.off[i] = v / largest
	}
	for k := range rootNodes {
		shift := node(k) * node(k)
		pivot := r.diagonal[0] + shift
		r.inverse[k] = 1 / pivot
		for i, e := range r.off {
			at := (i+1)*rootNodes + k
			r.below[at] = e / pivot
			pivot = r.diagonal[i+1] + shift - e*r.below[at]
			r.inverse[at] = 1 / pivot
		}
	}
	return r, nil
}

// node is t of node k.
func node(k int) float64 { return firstNode * math.Exp(rootStep*float64(k)) }

// form is zᵀ·sqrt(T)·z.
func (r rootOfT) form(z []float64) float64 {
	if r.scale == 0 {
		return 0
	}
	var u, solved [rootNodes]float64 // solved: zᵀ·(T + t²)⁻¹·z = uᵀ·D⁻¹·u, L·u = z
	zz, ztz, before := 0.0, 0.0, 0.0
	for i, v := range z {
		below, inverse := (*[rootNodes]float64)(r.below[i*rootNodes:]), (*[rootNodes]float64)(r.inverse[i*rootNodes:])
		for k := range u {
			u[k] = v - below[k]*u[k]
			solved[k] += u[k] * u[k] * inverse[k]
		}
		zz += v * v
		ztz += r.diagonal[i] * v * v
		if i > 0 {
			ztz += 2 * r.off[i-1] * before * v
		}
		before = v
	}
	tail := 1 / (math.Exp(rootStep) - 1) // a geometric series
	sum := tail * (node(0)*zz + ztz/node(rootNodes-1))
	for k := range solved {
		t := node(k)
		sum += t * (zz - t*t*solved[k])
	}
	return 2 / math.Pi * rootStep * sum * r.scale
}
