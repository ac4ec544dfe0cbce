package linalg

import (
	"fmt"
	"math"
)

// asymmetry is how far a matrix may be from its transpose, as a share of its
// largest element: float32 files are symmetric to their last bit or so.
const asymmetry = 1e-6

// load copies a symmetric d×d matrix, divided by a power of two so that its
// largest element lies in [1/2, 1): neither products nor squares of it overflow.
// a is the copy times 2^exponent.
func load(name string, a []float64, d int) (s square, exponent int, err error) {
	if d <= 0 || len(a) != d*d {
		return square{}, 0, fmt.Errorf("%s has %d elements: it is no %d×%d matrix", name, len(a), d, d)
	}
	largest := 0.0
	for i, v := range a {
		if v-v != 0 {
			return square{}, 0, fmt.Errorf("element (%d, %d) of %s is %v", i/d, i%d, name, v)
		}
		largest = max(largest, math.Abs(v))
	}
	_, exponent = math.Frexp(largest)
	s = newSquare(d)
	eachPair(d, func(i, j int) {
		v, w := math.Ldexp(a[i*d+j], -exponent), math.Ldexp(a[j*d+i], -exponent)
		if math.Abs(v-w) > asymmetry && err == nil {
			err = fmt.Errorf("%s is not symmetric: element (%d, %d) is %v, (%d, %d) is %v", name, i, j, a[i*d+j], j, i, a[j*d+i])
		}
		s.at[i*s.ld+j], s.at[j*s.ld+i] = (v+w)/2, (v+w)/2
	})
	return s, exponent, err
}
