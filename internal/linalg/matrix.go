package linalg

import "diffuse/internal/kernel"

// tileSide is the side of a square that is transposed in the nearest cache.
const tileSide = 32

// Mul is C = A·B of d×d matrices. c must not share memory with a or b.
func Mul(c, a, b []float64, d, workers int) {
	newTeam(workers).mul(c, a, b, d)
}

func (t *team) mul(c, a, b []float64, d int) {
	mustHave("C", c, d*d)
	mustHave("A", a, d*d)
	mustHave("B", b, d*d)
	clear(c)
	t.addMul(c, 1, a, b, d)
}

// addMul is C += alpha·A·B.
func (t *team) addMul(c []float64, alpha float64, a, b []float64, d int) {
	t.add(product{
		c: c, ldc: d, alpha: alpha,
		a: operand{at: a, ld: d, turned: true}, b: operand{at: b, ld: d},
		m: d, n: d, terms: d,
	})
}

// AddGram adds the Gram matrix of rows of d features, C += Xᵀ·X, x[r·d+i], on and
// above the diagonal; what is below it is undefined until Mirror. Centred rows
// add up to n-1 times their covariance. Rows are summed in blocks of 256: cut
// elsewhere into several calls, they give the same up to rounding.
func AddGram[T float32 | float64](c []float64, x []T, rows, d, workers int) {
	addGram(newTeam(workers), c, x, rows, d)
}

func addGram[T float32 | float64](t *team, c []float64, x []T, rows, d int) {
	mustHave("C", c, d*d)
	mustHave("X", x, rows*d)
	var block []float64
	for first := 0; first < rows; first += blockTerms {
		n := min(blockTerms, rows-first)
		part := x[first*d:][:n*d]
		wide, ok := any(part).([]float64)
		if !ok {
			block = atLeast(block, n*d)
			wide = block
			t.each(n, func(r int) {
				for i, v := range part[r*d:][:d] {
					wide[r*d+i] = float64(v)
				}
			})
		}
		o := operand{at: wide, ld: d}
		t.add(product{c: c, ldc: d, alpha: 1, a: o, b: o, m: d, n: d, terms: n, upper: true})
	}
}

// Mirror copies what is above the diagonal of a d×d matrix below it.
func Mirror(c []float64, d int) {
	mustHave("C", c, d*d)
	k := kernel.Best()
	for i := 0; i < d; i += tileSide {
		rows := min(tileSide, d-i)
		for j := i + rows; j < d; j += tileSide {
			k.Turn64(c[j*d+i:], d, c[i*d+j:], d, rows, min(tileSide, d-j))
		}
		for r := i; r < i+rows; r++ {
			for q := i; q < r; q++ {
				c[r*d+q] = c[q*d+r]
			}
		}
	}
}
