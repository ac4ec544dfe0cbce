package eval

import (
	"fmt"
	"sync"

	"diffuse/internal/linalg"
)

const (
	stripRows = 512 // rows that stay in memory while a sweep passes over the other set
	tileRows  = 128 // rows of the other set that meet them at once
)

// tile is the inner products of rows a0…a0+m-1 of one set with rows b0…b0+n-1 of
// another: dots[i*ld+j]. Squares are the rows' own: |a|² and |b|². The slices are
// overwritten by the next tile.
type tile struct {
	a0, m, b0, n int
	self         bool // the sets are one
	ld           int
	dots         []float64
	squaresA     []float64
	squaresB     []float64
}

// row is the inner products of row i that count and the first of their columns:
// where a set meets itself, those with later rows.
func (t *tile) row(i int) (dots []float64, first int) {
	if t.self {
		first = max(0, t.a0+i+1-t.b0)
	}
	return t.dots[i*t.ld+first : i*t.ld+t.n], first
}

// distance is the squared Euclidean distance of row a0+i and row b0+j of the
// given inner product, to about 1e-15 of |a|²+|b|².
func (t *tile) distance(i, j int, dot float64) float64 {
	return max(0, t.squaresA[i]+t.squaresB[j]-2*dot)
}

// sweep visits the inner products of every row of a with every row of b, a tile
// at a time, in memory that does not grow with their number. Where b is nil a
// meets itself: each pair of its rows is visited once.
//
// visit is called by several goroutines; the fold it returns is called by one,
// in the tiles' order, so that sums have the same bits for any number of workers.
func sweep(workers int, a set, b *set, visit func(t *tile) (fold func())) error {
	self, other := b == nil, a
	if b != nil {
		other = *b
	}
	tiles := (other.Len() + tileRows - 1) / tileRows
	hands := make([]*hand, max(1, min(workers, tiles)))
	for w := range hands {
		hands[w] = spareHands.Get().(*hand)
		defer spareHands.Put(hands[w])
	}
	folds := make([]func(), tiles)
	for a0 := 0; a0 < a.Len(); a0 += stripRows {
		m := min(stripRows, a.Len()-a0)
		if err := hands[0].load(hands[0].strip, a, a0, m); err != nil {
			return err
		}
		first := 0
		if self {
			first = a0 / tileRows
		}
		err := each(workers, tiles-first, func(w, j int) error {
			b0 := (first + j) * tileRows
			t := tile{a0: a0, m: m, b0: b0, n: min(tileRows, other.Len()-b0), self: self}
			if self {
				t.m = min(m, b0+t.n-a0)
			}
			if err := hands[w].products(&t, hands[0].strip, other); err != nil {
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

// hand is one goroutine's memory in a sweep.
type hand struct {
	strip, panel *linalg.Rows
	narrow       []float32
	dots         []float64
}

// spareHands are hands of past sweeps: those of KID's blocks are short and many.
var spareHands = sync.Pool{New: func() any { return &hand{strip: linalg.NewLeft(), panel: linalg.NewRight()} }}

// products fills t with the inner products of strip, t's rows of a, and b's.
func (h *hand) products(t *tile, strip *linalg.Rows, b set) error {
	if err := h.load(h.panel, b, t.b0, t.n); err != nil {
		return err
	}
	size, ld := linalg.DotsSize(strip, h.panel)
	h.dots = room(h.dots, size)
	offset := t.m
	if t.self {
		offset = t.b0 - t.a0
	}
	linalg.Dots(h.dots, strip, h.panel, offset)
	t.ld, t.dots, t.squaresA, t.squaresB = ld, h.dots, strip.Squares, h.panel.Squares
	return nil
}

// load fills dst with n rows of s from lo on, read in pieces. A NaN or an
// infinity is an error of kind Data that names its row.
func (h *hand) load(dst *linalg.Rows, s set, lo, n int) error {
	dim := s.Dim()
	h.narrow = room(h.narrow, n*dim)
	for i := 0; i < n; i += tileRows {
		if err := s.Read(h.narrow[i*dim:min(i+tileRows, n)*dim], lo+i); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	dst.Load(h.narrow, dim)
	for _, v := range dst.Squares {
		if v-v != 0 {
			return fmt.Errorf("%s: %w", s.name, checkFinite(s.Source, h.narrow, lo))
		}
	}
	return nil
}

// room is x with n elements; what they hold is undefined.
func room[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	return x[:n]
}
