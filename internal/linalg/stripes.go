package linalg

import (
	"math"

	"diffuse/internal/kernel"
)

const (
	maxStripes = 8
	sharedRows = 768     // of a matrix: below, starting goroutines costs more than it gains
	callSize   = 1 << 16 // elements of a call of a kernel, some 50 µs from memory
)

// multiply computes w = A·v for the part of a from row and column at on, without
// the panel's earlier reflections, and x = -vw·v of the given rows of vw. Only
// the triangle above the diagonal is read, in stripes of rows. Each stripe adds
// to elements of w that belong to others: it sums them apart, and their shares
// are added in order, so that no bit depends on who did what.
func (r *reduction) multiply(w, v []float64, at, rows int) {
	n := len(v)
	stripes := 1
	if n >= sharedRows {
		stripes = maxStripes
	}
	share := func(s int) []float64 {
		if s == 0 {
			return w
		}
		return r.parts[s*r.a.ld:][:n]
	}
	r.each(stripes+1, func(task int) {
		if task == stripes {
			r.kernels.Dots64(r.x[:rows], r.vw[at:], r.a.ld, v)
			for i := range r.x[:rows] {
				r.x[i] = -r.x[i]
			}
			return
		}
		begin, end := stripe(task, stripes, n), stripe(task+1, stripes, n)
		y := share(task)
		clear(y[begin:])
		step := max(callSize/n/kernel.Lanes64, 1) * kernel.Lanes64
		for i := begin; i < end; i += step {
			r.kernels.AddSymmetric64(y[i:], r.a.from(at+i, at+i), r.a.ld, v[i:], min(step, end-i))
		}
	})
	for s := 1; s < stripes; s++ {
		begin := stripe(s, stripes, n)
		y := share(s)[begin:]
		for i, p := range y {
			w[begin+i] += p
		}
	}
}

// stripe is the first row of stripe s of n rows, cut so that each stripe has the
// same share of the triangle above the diagonal.
func stripe(s, stripes, n int) int {
	left := math.Sqrt(1 - float64(s)/float64(stripes)) // of the triangle's side
	return roundUp(int(float64(n)*(1-left)), kernel.Lanes64)
}
