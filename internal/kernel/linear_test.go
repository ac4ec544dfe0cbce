package kernel

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exact is a sum of products without rounding, and the sum of their sizes, which
// bounds what rounding can do to it.
type exact struct {
	sum   big.Float
	size  float64
	terms int
}

func (e *exact) add(factors ...float64) {
	product, size := new(big.Float).SetPrec(2000).SetInt64(1), 1.0
	for _, f := range factors {
		product.Mul(product, big.NewFloat(f))
		size *= math.Abs(f)
	}
	e.sum.SetPrec(2000).Add(&e.sum, product)
	e.size += size
	e.terms++
}

// check fails where got is further from the sum than rounding each product and
// each addition of a sum of so many terms can take it (Higham 2002, section 3.1).
func (e *exact) check(t *testing.T, got float64, format string, args ...any) {
	t.Helper()
	want, _ := e.sum.Float64()
	if bound := float64(e.terms+2) * 0x1p-53 * e.size; !(math.Abs(got-want) <= bound) {
		t.Fatalf("%s is %v, want %v: off by %.2g, more than %.2g", fmt.Sprintf(format, args...), got, want, got-want, bound)
	}
}

// normals64 returns n values of N(0, 1).
func normals64(r *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

// onAllSets64 runs f on every set for some seeds; f takes its shapes from r.
func onAllSets64(t *testing.T, f func(t *testing.T, s *Set, r *rand.Rand)) {
	onAllSets(t, func(t *testing.T, s *Set) {
		for seed := range uint64(12) {
			f(t, s, rand.New(rand.NewPCG(seed, 64)))
		}
	})
}

func TestAddTiles64(t *testing.T) {
	onAllSets64(t, func(t *testing.T, s *Set, r *rand.Rand) {
		rows, cols := s.Tile64()
		tiles, terms := r.IntN(4), r.IntN(40)
		ldc := cols + r.IntN(5)
		alpha := []float64{1, -1, 0.3}[r.IntN(3)]
		a, b, c := normals64(r, tiles*rows*terms), normals64(r, terms*cols), normals64(r, (tiles*rows+1)*ldc)
		got := append([]float64(nil), c...)
		s.AddTiles64(got, ldc, alpha, a, b, terms)
		for i := range tiles*rows + 1 {
			for j := range ldc {
				var want exact
				want.add(c[i*ldc+j])
				for k := range terms {
					if i < tiles*rows && j < cols {
						want.add(alpha, a[(i/rows*terms+k)*rows+i%rows], b[k*cols+j])
					}
				}
				want.check(t, got[i*ldc+j], "%d tiles of %d terms: c[%d,%d]", tiles, terms, i, j)
			}
		}
	})
}

func TestAddSymmetric64(t *testing.T) {
	onAllSets64(t, func(t *testing.T, s *Set, r *rand.Rand) {
		n := Lanes64 * (1 + r.IntN(6))
		rows, lda := Lanes64*r.IntN(n/Lanes64+1), n+r.IntN(5)
		a, x, y := normals64(r, n*lda), normals64(r, n), normals64(r, n)
		for i := range n {
			for j := range n {
				switch {
				case i >= rows, j < i-i%Lanes64, j >= n:
					a[i*lda+j] = math.NaN() // must not be read
				case j < i:
					a[i*lda+j] = a[j*lda+i]
				}
			}
		}
		got := append([]float64(nil), y...)
		s.AddSymmetric64(got, a, lda, x, rows)
		for i := range n {
			var want exact
			want.add(y[i])
			for j := range n {
				if from, to := min(i, j), max(i, j); from < rows {
					want.add(a[from*lda+to], x[j])
				}
			}
			want.check(t, got[i], "%d of %d rows: y[%d]", rows, n, i)
		}
	})
}

func TestDots64(t *testing.T) {
	onAllSets64(t, func(t *testing.T, s *Set, r *rand.Rand) {
		rows, cols := r.IntN(11), Lanes64*r.IntN(6)
		ld := cols + r.IntN(5)
		m, x, y := normals64(r, rows*ld), normals64(r, cols), make([]float64, rows)
		s.Dots64(y, m, ld, x)
		for i := range rows {
			var want exact
			for j := range cols {
				want.add(m[i*ld+j], x[j])
			}
			want.check(t, y[i], "%d×%d: y[%d]", rows, cols, i)
		}
	})
}

func TestAddCombined64(t *testing.T) {
	onAllSets64(t, func(t *testing.T, s *Set, r *rand.Rand) {
		rows, cols := r.IntN(11), Lanes64*r.IntN(6)
		ld := cols + r.IntN(5)
		m, x, y := normals64(r, rows*ld), normals64(r, rows), normals64(r, cols)
		got := append([]float64(nil), y...)
		s.AddCombined64(got, m, ld, x)
		for j := range cols {
			var want exact
			want.add(y[j])
			for i := range rows {
				want.add(m[i*ld+j], x[i])
			}
			want.check(t, got[j], "%d×%d: y[%d]", rows, cols, j)
		}
	})
}

func TestTurn64(t *testing.T) {
	onAllSets64(t, func(t *testing.T, s *Set, r *rand.Rand) {
		rows, cols := r.IntN(14), r.IntN(14)
		ldd, lds := rows+r.IntN(4), cols+r.IntN(4)
		src, dst := normals64(r, rows*lds), normals64(r, (cols+1)*ldd)
		want := append([]float64(nil), dst...)
		for i := range rows {
			for j := range cols {
				want[j*ldd+i] = src[i*lds+j]
			}
		}
		s.Turn64(dst, ldd, src, lds, rows, cols)
		for i := range want {
			if dst[i] != want[i] {
				t.Fatalf("%d×%d: dst[%d] is %v, want %v", rows, cols, i, dst[i], want[i])
			}
		}
	})
}

func TestWrongLengths64Panic(t *testing.T) {
	short, x := make([]float64, 15), make([]float64, 16)
	rows, cols := portable.Tile64()
	for name, f := range map[string]func(){
		"c too short":           func() { portable.AddTiles64(make([]float64, rows*cols-1), cols, 1, x[:rows], x[:cols], 1) },
		"b too short":           func() { portable.AddTiles64(x, cols, 1, x[:rows*4], x[:cols*4-1], 4) },
		"rows overlap":          func() { portable.Dots64(x[:2], x, 4, x[:8]) },
		"length not padded":     func() { portable.Dots64(x[:1], x, 15, short) },
		"symmetric too short":   func() { portable.AddSymmetric64(x[:8], short, 8, x[:8], 8) },
		"combination too short": func() { portable.AddCombined64(x[:8], short, 8, x[:2]) },
		"turned too short":      func() { portable.Turn64(short, 4, x, 4, 4, 4) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			f()
		})
	}
}
