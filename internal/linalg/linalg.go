// Package linalg is the linear algebra in float64 that FID needs: products,
// Gram matrices, eigenvalues of symmetric matrices and the trace of the square
// root of a product of covariances.
//
// Matrices are square, d×d, row by row in a slice: element (i, j) is a[i·d+j].
// The bits of a result depend on the kernel set and the input, not on the number
// of workers. Slices of the wrong length are a programming error and panic.
package linalg

import (
	"fmt"
	"sync"
	"sync/atomic"

	"diffuse/internal/kernel"
)

// team is what a computation runs on: the kernels, and goroutines that share
// the work. One computation at a time.
type team struct {
	kernels *kernel.Set
	workers int
	a, b    []float64 // a product's packed operands
}

func newTeam(workers int) *team {
	return &team{kernels: kernel.Best(), workers: max(workers, 1)}
}

// each calls f for the tasks 0 … n-1, in order where one worker does them all.
func (t *team) each(n int, f func(task int)) {
	workers := min(t.workers, n)
	if workers < 2 {
		for task := range n {
			f(task)
		}
		return
	}
	var next atomic.Int64
	work := func() {
		for {
			task := int(next.Add(1)) - 1
			if task >= n {
				return
			}
			f(task)
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// square is a symmetric n×n matrix in memory of our own: rows are ld apart, and
// zeros fill it up to padded rows and columns, which kernel.Lanes64 divides.
type square struct {
	at            []float64
	n, padded, ld int
}

func newSquare(n int) square {
	s := square{n: n, padded: roundUp(n, kernel.Lanes64)}
	s.ld = s.padded
	if s.ld%128 == 0 { // a column must not fall into a few sets of the cache
		s.ld += kernel.Lanes64
	}
	s.at = make([]float64, s.padded*s.ld)
	return s
}

// reuse is a zero matrix, no larger than s, in its memory.
func (s square) reuse(n int) square {
	clear(s.at)
	s.n, s.padded = n, roundUp(n, kernel.Lanes64)
	return s
}

// row is row i from column j on, with its padding.
func (s square) row(i, j int) []float64 { return s.at[i*s.ld+j : i*s.ld+s.padded] }

// from is the matrix from element (i, j) on.
func (s square) from(i, j int) []float64 { return s.at[i*s.ld+j:] }

func roundUp(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }

// mustHave panics unless x has n elements.
func mustHave[T any](name string, x []T, n int) {
	if len(x) != n {
		panic(fmt.Sprintf("linalg: %s has %d elements, want %d", name, len(x), n))
	}
}
