package eval

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// tileRows is how many rows of each side a tile has at most.
const tileRows = 128

// tile is the inner products of rows a0…a0+m-1 of one set with rows b0…b0+n-1 of
// another: dots[i*n+j]. Squares are the rows' own: |a|² and |b|². The slices are
// overwritten by the next tile.
type tile struct {
	a0, m, b0, n int
	dots         []float64
	squaresA     []float64
	squaresB     []float64
}

// distance is the squared Euclidean distance of row a0+i and row b0+j, to about
// 1e-15 of |a|²+|b|².
func (t *tile) distance(i, j int) float64 {
	return max(0, t.squaresA[i]+t.squaresB[j]-2*t.dots[i*t.n+j])
}

// panel is some rows as float64.
type panel struct {
	x       []float64
	squares []float64
	narrow  []float32
}

func newPanel(rows, dim int) *panel {
	return &panel{make([]float64, rows*dim), make([]float64, rows), make([]float32, rows*dim)}
}

func (p *panel) load(s set, lo, n int) error {
	if err := s.load(p.x, p.narrow, lo, n); err != nil {
		return err
	}
	for i := range n {
		row := p.x[i*s.Dim() : (i+1)*s.Dim()]
		p.squares[i] = dot(row, row)
	}
	return nil
}

// sweep visits the inner products of every row of a with every row of b, a tile
// at a time, in memory that does not grow with their number. Where b is nil a
// meets itself: of its pairs, tiles above the diagonal and across it are visited.
//
// visit is called by several goroutines; the fold it returns is called by one,
// in the tiles' order, so that sums have the same bits for any number of workers.
func sweep(workers int, a set, b *set, visit func(t *tile) (fold func())) error {
	dim, other := a.Dim(), a
	if b != nil {
		other = *b
	}
	hands := make([]hand, min(workers, tilesOf(other.Len())))
	for w := range hands {
		hands[w] = hand{newPanel(min(tileRows, other.Len()), dim), make([]float64, tileRows*tileRows)}
	}
	strip := newPanel(min(tileRows, a.Len()), dim)
	folds := make([]func(), tilesOf(other.Len()))
	for i := range tilesOf(a.Len()) {
		a0 := i * tileRows
		m := min(tileRows, a.Len()-a0)
		if err := strip.load(a, a0, m); err != nil {
			return err
		}
		first := 0
		if b == nil {
			first = i
		}
		err := each(workers, len(folds)-first, func(w, j int) error {
			b0 := (first + j) * tileRows
			t := tile{a0: a0, m: m, b0: b0, n: min(tileRows, other.Len()-b0)}
			if err := hands[w].products(&t, strip, other); err != nil {
				return err
			}
			folds[first+j] = visit(&t)
			return nil
		})
		if err != nil {
			return err
		}
		for _, fold := range folds[first:] {
			fold()
		}
	}
	return nil
}

func tilesOf(n int) int { return (n + tileRows - 1) / tileRows }

// hand is one goroutine's memory in a sweep.
type hand struct {
	panel *panel
	dots  []float64
}

// products fills t with the inner products of strip, t's rows of a, and b's.
func (h *hand) products(t *tile, strip *panel, b set) error {
	if err := h.panel.load(b, t.b0, t.n); err != nil {
		return err
	}
	t.dots, t.squaresA, t.squaresB = h.dots[:t.m*t.n], strip.squares[:t.m], h.panel.squares[:t.n]
	timesTransposed(t.dots, t.n, strip.x, h.panel.x, t.m, t.n, b.Dim(), 0)
	return nil
}

// timesTransposed is c = a·bᵀ + beta·c with a m×k, b n×k and rows of c ldc apart.
func timesTransposed(c []float64, ldc int, a, b []float64, m, n, k int, beta float64) {
	blas64.Gemm(blas.NoTrans, blas.Trans, 1,
		blas64.General{Rows: m, Cols: k, Stride: k, Data: a},
		blas64.General{Rows: n, Cols: k, Stride: k, Data: b},
		beta,
		blas64.General{Rows: m, Cols: n, Stride: ldc, Data: c})
}

func dot(a, b []float64) float64 {
	return blas64.Dot(blas64.Vector{N: len(a), Inc: 1, Data: a}, blas64.Vector{N: len(b), Inc: 1, Data: b})
}
