package eval

import (
	"math"

	"diffuse/internal/fault"
)

// Moments are the mean and the covariance of features.
type Moments struct {
	N     int       // rows; 0 where a file does not say, as pytorch-fid's
	Mean  []float64 // d
	Sigma []float64 // d×d, symmetric, unbiased: over N-1
}

// Dim is the number of features, d.
func (m Moments) Dim() int { return len(m.Mean) }

// Singular tells that the covariance must be singular: N rows span at most N-1
// dimensions. FID is then dominated by its bias, which shrinks as 1/N: it says
// nothing beside scores of another N, and little beside those of the same.
// Moments of unknown N are taken to be of many rows.
func (m Moments) Singular() bool { return m.N > 0 && m.N <= m.Dim() }

// NewMoments checks moments that were read from a file: mean has d values,
// sigma d×d; n is 0 where it is unknown. It keeps the slices. Errors are of
// kind Data.
func NewMoments(n int, mean, sigma []float64) (Moments, error) {
	d := len(mean)
	if n < 0 || n == 1 || d == 0 || len(sigma) != d*d {
		return Moments{}, fault.New(fault.Data, "", "no moments: n = %d, a mean of %d values and a covariance of %d", n, d, len(sigma))
	}
	largest := 0.0
	for i, v := range mean {
		if v-v != 0 {
			return Moments{}, fault.New(fault.Data, "", "the mean's value %d is %v", i, v)
		}
		largest = max(largest, math.Abs(sigma[i*d+i]))
	}
	for i := range d {
		if sigma[i*d+i] < 0 {
			return Moments{}, fault.New(fault.Data, "", "the variance of feature %d is %v", i, sigma[i*d+i])
		}
		for j := range d {
			v := sigma[i*d+j]
			if v-v != 0 {
				return Moments{}, fault.New(fault.Data, "", "the covariance of features %d and %d is %v", i, j, v)
			}
			// Float32 files are symmetric to their last bit or so.
			if math.Abs(v-sigma[j*d+i]) > 1e-6*largest {
				return Moments{}, fault.New(fault.Data, "", "the covariance is not symmetric at features %d and %d", i, j)
			}
		}
	}
	return Moments{n, mean, sigma}, nil
}

// Merge gives the moments of two sets' rows together; both N must be known.
//
// Source: Chan, Golub and LeVeque 1983, "Algorithms for computing the sample
// variance", for matrices.
func (m Moments) Merge(o Moments) (Moments, error) {
	if m.Dim() != o.Dim() {
		return Moments{}, fault.New(fault.Data, "", "moments of %d and of %d features do not merge", m.Dim(), o.Dim())
	}
	if m.N < 2 || o.N < 2 {
		return Moments{}, fault.New(fault.Data, "", "moments of an unknown number of images do not merge")
	}
	d, n := m.Dim(), m.N+o.N
	na, nb := float64(m.N), float64(o.N)
	merged := Moments{n, make([]float64, d), make([]float64, d*d)}
	delta := make([]float64, d)
	for i := range delta {
		delta[i] = o.Mean[i] - m.Mean[i]
		merged.Mean[i] = m.Mean[i] + delta[i]*nb/float64(n)
	}
	for i := range d {
		for j := range d {
			k := i*d + j
			scatter := m.Sigma[k]*(na-1) + o.Sigma[k]*(nb-1) + delta[i]*delta[j]*na*nb/float64(n)
			merged.Sigma[k] = scatter / float64(n-1)
		}
	}
	return merged, nil
}

// MomentsOf reads src once, in blocks, and gives its moments; it needs two rows.
// Memory is d², whatever the number of rows.
func MomentsOf(src Source) (Moments, error) {
	a := NewAccumulator(src.Dim())
	block := make([]float32, blockRows*src.Dim())
	for lo := 0; lo < src.Len(); lo += blockRows {
		rows := block[:min(blockRows, src.Len()-lo)*src.Dim()]
		if err := readFinite(src, rows, lo); err != nil {
			return Moments{}, err
		}
		a.add(rows)
	}
	return a.Moments()
}
