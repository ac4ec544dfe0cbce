package linalg

import (
	"fmt"
	"math"
)

// asymmetry is how far a matrix may be from its transpose, as a share of its
// largest element: float32 files are symmetric to their last bit or so.
const asymmetry = 1e-6

// load fills s with a symmetric matrix of its size, divided by a power of two so
// that its largest element lies in [1/2, 1): neither products nor squares of it
// overflow. a is s times 2^exponent.
func (t *team) load(s square, name string, a []float64) (exponent int, err error) {
	d := s.n
	largest := 0.0
	for i, v := range a {
		if v = math.Abs(v); !(v <= largest) {
			if !(v <= math.MaxFloat64) {
				return 0, fmt.Errorf("element (%d, %d) of %s is %v", i/d, i%d, name, a[i])
			}
			largest = v
		}
	}
	_, exponent = math.Frexp(largest)
	exponent = max(exponent, -1000) // the scale must be finite; smaller matrices stay smaller
	scale := math.Ldexp(1, -exponent)
	var turned [tileSide * tileSide]float64
	for i := 0; i < d; i += tileSide {
		for j := 0; j < d; j += tileSide {
			rows, cols := min(tileSide, d-i), min(tileSide, d-j)
			t.kernels.Turn64(turned[:], tileSide, a[j*d+i:], d, cols, rows)
			for r := range rows {
				from, to := a[(i+r)*d+j:][:cols], s.at[(i+r)*s.ld+j:][:cols]
				for q, w := range turned[r*tileSide:][:cols] {
					v := from[q] * scale
					w *= scale
					if math.Abs(v-w) > asymmetry {
						return 0, fmt.Errorf("%s is not symmetric: elements (%d, %d) and (%d, %d) are %v and %v",
							name, i+r, j+q, j+q, i+r, from[q], a[(j+q)*d+i+r])
					}
					to[q] = (v + w) / 2
				}
			}
		}
	}
	return exponent, nil
}

// checkSize returns an error unless a has the elements of a d×d matrix.
func checkSize(name string, a []float64, d int) error {
	if d <= 0 || len(a) != d*d {
		return fmt.Errorf("%s has %d elements: it is no %d×%d matrix", name, len(a), d, d)
	}
	return nil
}
