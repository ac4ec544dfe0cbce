package eval

import (
	"slices"

	"diffuse/internal/fault"
)

const (
	blockRows = 256 // rows that meet the scatter matrix at once
	blockCols = 128 // a tile of the scatter matrix
)

// An Accumulator gathers moments of rows as they come, in float64 and in memory
// of d². Rows are centred on the mean of their block of 256 before they are
// multiplied, and blocks are merged (Chan, Golub and LeVeque 1983), so that a
// mean far larger than the spread costs no digits. How rows are dealt out to
// calls of Add changes no bit.
type Accumulator struct {
	dim     int
	n       int       // rows in mean and scatter
	mean    []float64 // of n rows
	scatter []float64 // Σ (x-mean)(x-mean)ᵀ; the tiles on and above the diagonal count
	waiting []float32 // rows of a block that is not full
	block   []float64 // the block, transposed: dim×rows, so that features are rows to multiply
	delta   []float64 // its mean less the mean so far
}

// NewAccumulator starts with no rows, of dim features each.
func NewAccumulator(dim int) *Accumulator {
	return &Accumulator{
		dim: dim, mean: make([]float64, dim), scatter: make([]float64, dim*dim),
		block: make([]float64, blockRows*dim), delta: make([]float64, dim),
	}
}

// Add takes rows, back to back. A NaN or an infinity is an error of kind Data
// that names its row, counted from the first that was ever added.
func (a *Accumulator) Add(rows []float32) error {
	if len(rows)%a.dim != 0 {
		return fault.New(fault.Data, "", "%d numbers are no rows of %d features", len(rows), a.dim)
	}
	if i := firstNotFinite(rows); i >= 0 {
		return notFinite(rows[i], a.n+(len(a.waiting)+i)/a.dim, i%a.dim)
	}
	a.add(rows)
	return nil
}

// add takes rows that are whole and finite.
func (a *Accumulator) add(rows []float32) {
	full := blockRows * a.dim
	for len(rows) > 0 {
		take := min(len(rows), full-len(a.waiting))
		a.waiting = append(a.waiting, rows[:take]...)
		rows = rows[take:]
		if len(a.waiting) == full {
			a.fold()
		}
	}
}

// Moments gives the moments of the rows so far; fewer than two are an error.
func (a *Accumulator) Moments() (Moments, error) {
	whole := *a
	if len(a.waiting) > 0 {
		whole.mean, whole.scatter = slices.Clone(a.mean), slices.Clone(a.scatter)
		whole.fold()
	}
	if whole.n < 2 {
		return Moments{}, fault.New(fault.Data, "", "%d images have no covariance: a score needs at least two", whole.n)
	}
	d := a.dim
	sigma := make([]float64, d*d)
	for i := range d {
		for j := i; j < d; j++ {
			v := whole.scatter[i*d+j] / float64(whole.n-1)
			sigma[i*d+j], sigma[j*d+i] = v, v
		}
	}
	return Moments{whole.n, slices.Clone(whole.mean), sigma}, nil
}

// fold merges the waiting rows.
func (a *Accumulator) fold() {
	d := a.dim
	m := len(a.waiting) / d
	a.centre(m)
	before, after := float64(a.n), float64(a.n+m)
	share := before * float64(m) / after
	tiles := (d + blockCols - 1) / blockCols
	// No tile fails: the error is nil.
	_ = each(workers(), tiles*tiles, func(_, t int) error {
		i0, j0 := t/tiles*blockCols, t%tiles*blockCols
		if j0 < i0 {
			return nil
		}
		rows, cols := min(blockCols, d-i0), min(blockCols, d-j0)
		timesTransposed(a.scatter[i0*d+j0:], d, a.block[i0*m:], a.block[j0*m:], rows, cols, m, 1)
		for i := i0; i < i0+rows; i++ {
			for j := j0; j < j0+cols; j++ {
				a.scatter[i*d+j] += a.delta[i] * a.delta[j] * share
			}
		}
		return nil
	})
	for i := range a.mean {
		a.mean[i] += a.delta[i] * float64(m) / after
	}
	a.n += m
	a.waiting = a.waiting[:0]
}

// centre turns the m waiting rows into columns of block about their own mean and
// sets delta.
func (a *Accumulator) centre(m int) {
	for j := range a.dim {
		column := a.block[j*m : (j+1)*m]
		sum := 0.0
		for i := range column {
			column[i] = float64(a.waiting[i*a.dim+j])
			sum += column[i]
		}
		mean := sum / float64(m)
		for i := range column {
			column[i] -= mean
		}
		a.delta[j] = mean - a.mean[j]
	}
}
