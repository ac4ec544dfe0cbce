package eval

import (
	"math"
	"slices"

	"diffuse/internal/fault"
	"diffuse/internal/linalg"
)

// blockRows is the rows that meet the scatter matrix at once: with the row that
// merges them, as many as linalg.AddGram sums without a cut.
const blockRows = 255

// An Accumulator gathers moments of rows as they come, in float64 and in memory
// of d². Rows are centred on the mean of their block of 255 before they are
// multiplied, and blocks are merged (Chan, Golub and LeVeque 1983), so that a
// mean far larger than the spread costs no digits. How rows are dealt out to
// calls of Add changes no bit.
type Accumulator struct {
	dim     int
	n       int       // rows in mean and scatter
	mean    []float64 // of n rows
	scatter []float64 // Σ (x-mean)(x-mean)ᵀ, on and above the diagonal
	waiting []float32 // rows of a block that is not full
	block   []float64 // the block, centred, and a row that merges it
}

// NewAccumulator starts with no rows, of dim features each.
func NewAccumulator(dim int) *Accumulator {
	return &Accumulator{
		dim: dim, mean: make([]float64, dim), scatter: make([]float64, dim*dim),
		block: make([]float64, (blockRows+1)*dim),
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
	whole.mean, whole.scatter = slices.Clone(a.mean), slices.Clone(a.scatter)
	if len(a.waiting) > 0 {
		whole.fold()
	}
	if whole.n < 2 {
		return Moments{}, fault.New(fault.Data, "", "%d images have no covariance: a score needs at least two", whole.n)
	}
	for i := range whole.scatter {
		whole.scatter[i] /= float64(whole.n - 1)
	}
	linalg.Mirror(whole.scatter, a.dim)
	return Moments{whole.n, whole.mean, whole.scatter}, nil
}

// fold merges the waiting rows. With δ their mean less the mean of the n rows
// before, the scatter grows by theirs and by δ·δᵀ·n·m/(n+m): as if √(n·m/(n+m))·δ
// were one more centred row.
func (a *Accumulator) fold() {
	d := a.dim
	m := len(a.waiting) / d
	const columns = 64 // of a task: a row's part is whole cache lines
	// No task fails: the error is nil.
	_ = each(workers(), (d+columns-1)/columns, func(_, t int) error {
		a.centre(m, t*columns, min((t+1)*columns, d))
		return nil
	})
	linalg.AddGram(a.scatter, a.block[:(m+1)*d], m+1, d, workers())
	a.n += m
	a.waiting = a.waiting[:0]
}

// centre turns columns lo…hi-1 of the m waiting rows into the block's and moves
// the mean.
func (a *Accumulator) centre(m, lo, hi int) {
	before, rows := float64(a.n), float64(m)
	merge := a.block[m*a.dim+lo : m*a.dim+hi]
	clear(merge)
	for i := range m {
		for j, v := range a.waiting[i*a.dim+lo : i*a.dim+hi] {
			merge[j] += float64(v)
		}
	}
	for j := range merge {
		merge[j] /= rows
	}
	for i := range m {
		centred := a.block[i*a.dim+lo : i*a.dim+hi]
		for j, v := range a.waiting[i*a.dim+lo : i*a.dim+hi] {
			centred[j] = float64(v) - merge[j]
		}
	}
	share := math.Sqrt(before * rows / (before + rows))
	for j, mean := range merge {
		delta := mean - a.mean[lo+j]
		a.mean[lo+j] += delta * rows / (before + rows)
		merge[j] = delta * share
	}
}
