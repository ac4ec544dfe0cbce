package eval

import (
	"diffuse/internal/fault"
	"diffuse/internal/linalg"
)

// influenceRows is how many samples are moved at once, 16 MB of 2,048 features.
const influenceRows = 4 * blockRows

// influences is how much each row of samples pulls FID, the first-order term of
// FID in the samples' distribution P about their own:
//
//	FID((1-ε)P + ε·δ_x) = FID(P) + ε·IF(x) + O(ε²)
//	IF(x) = 2(m1-m2)·(x-m1) + (x-m1)ᵀ(I-A)(x-m1) - tr((I-A)·S1)
//
// A is the linear part of the optimal map that takes N(m1, S1) to N(m2, S2), the
// symmetric A with A·S1·A = S2: the gradient of tr sqrt(S1·S2) in S1 is A/2
// (linalg.Transport). Values have mean 0.
//
// m are samples' moments; where S1 is singular because features depend on each
// other, all of this holds in the space they span.
func influences(samples set, m, reference Moments) ([]float64, error) {
	d, n := m.Dim(), samples.Len()
	shift := make([]float64, d)
	for i := range shift {
		shift[i] = m.Mean[i] - reference.Mean[i]
	}
	transport, err := linalg.NewTransport(m.Sigma, reference.Sigma, d, workers())
	if err != nil {
		return nil, fault.New(fault.Data, "", "FID's interval: %w", err)
	}
	values := make([]float64, n)
	narrow, x := make([]float32, blockRows*d), make([]float64, min(influenceRows, n)*d)
	forms := make([]float64, min(influenceRows, n))
	for first := 0; first < n; first += influenceRows {
		count := min(influenceRows, n-first)
		for lo := 0; lo < count; lo += blockRows {
			rows := narrow[:min(blockRows, count-lo)*d]
			if err := samples.readFinite(rows, first+lo); err != nil {
				return nil, err
			}
			for i := 0; i < len(rows); i += d {
				centred := x[lo*d+i:][:d]
				for j, v := range rows[i:][:d] {
					centred[j] = float64(v) - m.Mean[j]
				}
			}
		}
		transport.Forms(forms[:count], x[:count*d])
		for i, form := range forms[:count] {
			row := x[i*d:][:d]
			values[first+i] = 2*dot(shift, row) + dot(row, row) - form
		}
	}
	mean, _ := meanVariance(values)
	for i := range values {
		values[i] -= mean
	}
	return values, nil
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}
