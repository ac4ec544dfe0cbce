package kernel

import "fmt"

// linear is the table of an instruction set's micro-kernels for matrices of
// float64, which the methods of Set whose names end in 64 check and call.
type linear struct {
	rows, cols int // of a tile

	tiles     func(c []float64, ldc int, alpha float64, a, b []float64, tiles, terms int)
	symmetric func(y, a []float64, lda int, x []float64, rows, cols int)
	dots      func(y, m []float64, ld int, x []float64)
	combine   func(y, m []float64, ld int, x []float64)
	turn      func(dst []float64, ldd int, src []float64, lds, rows, cols int)
}

// Lanes64 divides the lengths that AddSymmetric64, Dots64 and AddCombined64 take:
// as many float64s as the widest vector holds, so that these kernels have no
// ends to mind. Matrices are padded with zeros.
const Lanes64 = 8

// Tile64 is the shape of the tiles that AddTiles64 treats.
func (s *Set) Tile64() (rows, cols int) { return s.linear.rows, s.linear.cols }

// AddTiles64 adds products to a stack of tiles, each Tile64's rows × cols,
//
//	c[i·ldc+j] += alpha · Σ_k A[i,k]·B[k,j], k < terms
//
// A lies in panels of a tile's rows, a[(i/rows·terms+k)·rows + i%rows], as many
// as a holds; B is one panel, b[k·cols+j]. The sums are complete before they are
// multiplied and added. Go cannot stop a call: keep len(a) below some 100,000.
func (s *Set) AddTiles64(c []float64, ldc int, alpha float64, a, b []float64, terms int) {
	d := s.linear
	tiles := 0
	if terms > 0 {
		tiles = len(a) / (d.rows * terms)
	}
	if tiles == 0 {
		return
	}
	mustHave64("b", b, terms*d.cols)
	mustReach64("c", c, tiles*d.rows, d.cols, ldc)
	d.tiles(c, ldc, alpha, a, b, tiles, terms)
}

// AddSymmetric64 adds A·x for some rows of a symmetric A and, turned, for the
// columns that mirror them. The n×n matrix at a, n = len(x), is read on and
// above the diagonal, and for squares of Lanes64 on the diagonal on both sides:
//
//	y[i] += Σ_j a[i·lda+j]·x[j], j >= i
//	y[j] += a[i·lda+j]·x[i],     j > i
//
// for i < rows; rows and n are multiples of Lanes64.
func (s *Set) AddSymmetric64(y, a []float64, lda int, x []float64, rows int) {
	if rows == 0 {
		return
	}
	mustBePadded64(rows, len(x))
	mustHave64("y", y, len(x))
	mustReach64("a", a, rows, len(x), lda)
	s.linear.symmetric(y, a, lda, x, rows, len(x))
}

// Dots64 is y = M·x, y[r] = Σ_j m[r·ld+j]·x[j], for r < len(y); len(x) is a
// multiple of Lanes64.
func (s *Set) Dots64(y, m []float64, ld int, x []float64) {
	if len(y) == 0 || len(x) == 0 {
		clear(y)
		return
	}
	mustBePadded64(len(x))
	mustReach64("m", m, len(y), len(x), ld)
	s.linear.dots(y, m, ld, x)
}

// AddCombined64 is y += Mᵀ·x, y[j] += Σ_r x[r]·m[r·ld+j], for r < len(x); len(y)
// is a multiple of Lanes64.
func (s *Set) AddCombined64(y, m []float64, ld int, x []float64) {
	if len(x) == 0 || len(y) == 0 {
		return
	}
	mustBePadded64(len(y))
	mustReach64("m", m, len(x), len(y), ld)
	s.linear.combine(y, m, ld, x)
}

// Turn64 is dst[j·ldd+i] = src[i·lds+j] for i < rows, j < cols.
func (s *Set) Turn64(dst []float64, ldd int, src []float64, lds, rows, cols int) {
	if rows == 0 || cols == 0 {
		return
	}
	mustReach64("dst", dst, cols, rows, ldd)
	mustReach64("src", src, rows, cols, lds)
	s.linear.turn(dst, ldd, src, lds, rows, cols)
}

func mustHave64(name string, x []float64, n int) {
	if len(x) < n {
		panic(fmt.Sprintf("kernel: %s has %d float64s, want %d", name, len(x), n))
	}
}

// mustReach64 panics unless x holds rows of cols values, ld apart.
func mustReach64(name string, x []float64, rows, cols, ld int) {
	if ld < cols {
		panic(fmt.Sprintf("kernel: rows of %s are %d apart and %d long", name, ld, cols))
	}
	mustHave64(name, x, (rows-1)*ld+cols)
}

func mustBePadded64(lengths ...int) {
	for _, n := range lengths {
		if n%Lanes64 != 0 {
			panic(fmt.Sprintf("kernel: %d is no multiple of %d", n, Lanes64))
		}
	}
}
