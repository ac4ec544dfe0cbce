package eval

import (
	"math"
	"slices"

	"diffuse/internal/fault"
)

// ManifoldK is the neighbours of Kynkäänniemi et al.'s manifolds.
const ManifoldK = 3

// Manifold is an estimate of where a distribution has mass: a ball around each
// row that reaches its k-th nearest neighbour in the set. Memory is that of the
// radii.
type Manifold struct {
	src     Source
	k       int
	squares []float64 // of the radii
}

// NewManifold measures the balls of src's rows; it needs more than k rows, k ≥ 1.
func NewManifold(src Source, k int) (*Manifold, error) {
	n := src.Len()
	if k < 1 || n <= k {
		return nil, fault.New(fault.Usage, "", "a manifold of %d neighbours needs more than %d images, and there are %d", k, max(k, 1), n)
	}
	near := newNearest(n, k)
	err := sweep(workers(), set{src, "features"}, nil, func(t *tile) func() {
		rows, columns := ballsOf(t, k)
		a0, b0 := t.a0, t.b0
		return func() {
			for i, r := range rows {
				near[a0+i].merge(r)
			}
			for j, c := range columns {
				near[b0+j].merge(c)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	m := &Manifold{src, k, make([]float64, n)}
	for i := range near {
		m.squares[i] = near[i][k-1]
	}
	return m, nil
}

// ballsOf is the k smallest squared distances of t's rows and columns in it.
func ballsOf(t *tile, k int) (rows, columns []nearest) {
	rows, columns = newNearest(t.m, k), newNearest(t.n, k)
	for i := range t.m {
		dots, first := t.row(i)
		for j, dot := range dots {
			d := t.distance(i, first+j, dot)
			rows[i].insert(d)
			columns[first+j].insert(d)
		}
	}
	return rows, columns
}

// nearest is the k smallest squared distances so far, ascending.
type nearest []float64

// newNearest makes n of them, with none so far.
func newNearest(n, k int) []nearest {
	all := make(nearest, n*k)
	for i := range all {
		all[i] = math.Inf(1)
	}
	return slices.Collect(slices.Chunk(all, k))
}

func (n nearest) insert(d float64) {
	for i := len(n) - 1; i >= 0 && d < n[i]; i-- {
		if i+1 < len(n) {
			n[i+1] = n[i]
		}
		n[i] = d
	}
}

func (n nearest) merge(o nearest) {
	for _, d := range o {
		n.insert(d)
	}
}

// Coverage is how two distributions overlap, by their manifolds.
type Coverage struct {
	Precision float64 // samples within the reference's manifold: are they like real ones?
	Recall    float64 // reference rows within the samples' manifold: are all kinds drawn?
	Density   float64 // balls of the reference that hold a sample, per sample and neighbour: no outlier's large ball counts for much
	Coverage  float64 // the reference's balls that hold a sample
}

// MeasureCoverage is improved precision and recall, and density and coverage. The
// last two are about 1 and 1-2^-k (for equal numbers) where the distributions are
// the same, the first two less than 1: how much less depends on the numbers of
// rows, so only scores of the same n compare.
//
// Source: Kynkäänniemi et al. 2019, "Improved precision and recall metric for
// assessing generative models", eq. 1-3; Naeem et al. 2020, "Reliable fidelity
// and diversity metrics for generative models", eq. 4-5.
func MeasureCoverage(samples, reference *Manifold) (Coverage, error) {
	if err := alike(samples.src, reference.src); err != nil {
		return Coverage{}, err
	}
	x, y := set{samples.src, "samples"}, set{reference.src, "reference"}
	held := make([]int, x.Len())     // balls of the reference that hold the sample
	reached := make([]bool, y.Len()) // the row lies in a sample's ball
	covered := make([]bool, y.Len()) // its ball holds a sample
	err := sweep(workers(), x, &y, func(t *tile) func() {
		h := make([]int, t.m)
		r, c := make([]bool, t.n), make([]bool, t.n)
		for i := range t.m {
			dots, _ := t.row(i)
			for j, dot := range dots {
				d := t.distance(i, j, dot)
				if d <= reference.squares[t.b0+j] {
					h[i]++
					c[j] = true
				}
				r[j] = r[j] || d <= samples.squares[t.a0+i]
			}
		}
		a0, b0 := t.a0, t.b0
		return func() {
			for i, n := range h {
				held[a0+i] += n
			}
			for j := range r {
				reached[b0+j] = reached[b0+j] || r[j]
				covered[b0+j] = covered[b0+j] || c[j]
			}
		}
	})
	if err != nil {
		return Coverage{}, err
	}
	in, balls := 0, 0
	for _, n := range held {
		in += min(n, 1)
		balls += n
	}
	return Coverage{
		Precision: float64(in) / float64(x.Len()),
		Recall:    share(reached),
		Density:   float64(balls) / float64(reference.k*x.Len()),
		Coverage:  share(covered),
	}, nil
}

func share(x []bool) float64 {
	n := 0
	for _, v := range x {
		if v {
			n++
		}
	}
	return float64(n) / float64(len(x))
}
