package linalg

import (
	"fmt"
	"math"

	"diffuse/internal/kernel"
)

// factor is a pivoted Cholesky factorization of a symmetric positive semidefinite
// matrix S of the given rank, down to rounding:
//
//	S[pivot[i], pivot[j]] = Σ_k u[k,i]·u[k,j], k < rank
//
// Rows of u are zero left of the diagonal.
type factor struct {
	u     square // rank rows count
	rank  int
	pivot []int
}

const (
	factorRows = 64 // rows of U that are made before the rest of S is brought up to date at once

	// What is left of S when the pivots have become this small, as a share of its
	// largest element, was noise: at least that of float64 sums. Statistics
	// that went through float32 have more, and a matrix with noise beyond the last
	// is taken to be no covariance.
	leastNoise, mostNoise, nextNoise = 0x1p-52, 1e-5, 100
)

// factorize factors the d×d matrix a divided by 2^exponent.
func (t *team) factorize(name string, a []float64, d int) (f factor, exponent int, err error) {
	if err := checkSize(name, a, d); err != nil {
		return factor{}, 0, err
	}
	s := newSquare(d)
	for noise := leastNoise * float64(d); noise < mostNoise; noise *= nextNoise {
		if exponent, err = t.load(s, name, a); err != nil {
			return factor{}, 0, err
		}
		if c := newCholesky(t, s); c.run(noise) {
			return c.factor, exponent, nil
		}
	}
	return factor{}, 0, fmt.Errorf("%s is not positive semidefinite", name)
}

// cholesky is a factorization under way (LAPACK's dpstrf; Higham 2002, section
// 10.3): rows of U take the place of the rows of S they come from, in panels.
type cholesky struct {
	*team
	factor
	left  []float64 // the diagonal of what is left of S
	swaps [][2]int  // of columns, that rows of U above the panel have yet to follow
	x     []float64 // factors of rows of U
}

func newCholesky(t *team, s square) *cholesky {
	c := &cholesky{team: t, factor: factor{u: s, pivot: make([]int, s.n)}, left: make([]float64, s.n), x: make([]float64, factorRows)}
	for i := range c.pivot {
		c.pivot[i] = i
	}
	return c
}

// run makes rows of U until the largest pivot left is noise, S having elements up
// to 1. It returns false where what is left then is no noise.
func (c *cholesky) run(noise float64) bool {
	n := c.u.n
	for first := 0; first < n; first += factorRows {
		end := min(first+factorRows, n)
		for i := first; i < n; i++ {
			c.left[i] = c.u.at[i*c.u.ld+i]
		}
		for c.rank < end {
			p := largest(c.left[c.rank:]) + c.rank
			if !(c.left[p] > noise) { // or NaN, where an indefinite matrix overflowed
				break
			}
			c.swap(first, c.rank, p)
			c.makeRow(first, c.rank)
			c.rank++
		}
		c.followSwaps(first)
		c.update(first)
		if c.rank < end {
			break
		}
	}
	c.clear()
	return c.remains() <= 10*noise // it is rounded, too
}

// largest is the index of the largest element.
func largest(x []float64) int {
	at := 0
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return at
}

// swap exchanges rows and columns i and p > i of what is left of S, and columns
// of the panel's rows of U.
func (c *cholesky) swap(first, i, p int) {
	if i == p {
		return
	}
	at, ld := c.u.at, c.u.ld
	exchange := func(a, b int) { at[a], at[b] = at[b], at[a] }
	for q := first; q < i; q++ {
		exchange(q*ld+i, q*ld+p)
	}
	exchange(i*ld+i, p*ld+p)
	for k := i + 1; k < p; k++ {
		exchange(i*ld+k, k*ld+p)
	}
	for k := p + 1; k < c.u.n; k++ {
		exchange(i*ld+k, p*ld+k)
	}
	c.left[i], c.left[p] = c.left[p], c.left[i]
	c.pivot[i], c.pivot[p] = c.pivot[p], c.pivot[i]
	c.swaps = append(c.swaps, [2]int{i, p})
}

// makeRow turns row i of S into row i of U and takes it off the diagonal that is
// left.
func (c *cholesky) makeRow(first, i int) {
	u := c.u
	at := i - i%kernel.Lanes64
	for q := first; q < i; q++ {
		c.x[q-first] = -u.at[q*u.ld+i]
	}
	c.kernels.AddCombined64(u.row(i, at), u.from(first, at), u.ld, c.x[:i-first])
	root := math.Sqrt(c.left[i])
	row, left := u.row(i, i)[:u.n-i], c.left[i:]
	row[0], left[0] = root, 0
	for j := 1; j < len(row); j++ {
		row[j] /= root
		left[j] -= row[j] * row[j]
	}
}

// followSwaps exchanges columns of the rows above the panel, row by row: a row
// stays in the nearest cache.
func (c *cholesky) followSwaps(first int) {
	for i := range first {
		row := c.u.at[i*c.u.ld:]
		for _, s := range c.swaps {
			row[s[0]], row[s[1]] = row[s[1]], row[s[0]]
		}
	}
	c.swaps = c.swaps[:0]
}

// update takes the panel's rows off what is left of S.
func (c *cholesky) update(first int) {
	n := c.u.n - c.rank
	if n == 0 {
		return
	}
	o := operand{at: c.u.from(first, c.rank), ld: c.u.ld}
	c.add(product{
		c: c.u.from(c.rank, c.rank), ldc: c.u.ld, alpha: -1,
		a: o, b: o, m: n, n: n, terms: c.rank - first, upper: true,
	})
}

// clear zeroes what rows of U hold left of the diagonal.
func (c *cholesky) clear() {
	for i := range c.rank {
		clear(c.u.at[i*c.u.ld:][:i])
	}
}

// remains is the largest element of what is left of S.
func (c *cholesky) remains() (size float64) {
	for i := c.rank; i < c.u.n; i++ {
		for _, v := range c.u.row(i, i) {
			size = max(size, math.Abs(v))
		}
	}
	return size
}
