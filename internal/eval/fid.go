package eval

import "fmt"

// FID is the Fréchet inception distance of two sets of features, the squared
// 2-Wasserstein distance of the Gaussians with their moments:
//
//	‖m1-m2‖² + tr(c1 + c2 - 2·sqrt(c1·c2))
//
// in float64. It is not negative but for rounding. Its bias is upwards and about
// 1/N; where a side is Singular the value is right for those moments and says
// little of the distributions. It does not depend on the order of the two.
//
// Source: Heusel et al. 2017, "GANs trained by a two time-scale update rule
// converge to a local Nash equilibrium", eq. 6; Dowson and Landau 1982.
func FID(a, b Moments) (float64, error) {
	if a.Dim() != b.Dim() || a.Dim() == 0 {
		return 0, unlike(a.Dim(), b.Dim())
	}
	d := a.Dim()
	if b.known() < a.known() {
		a, b = b, a // the lower rank first
	}
	shared, err := traceSqrtProduct(a.Sigma, b.Sigma, d)
	if err != nil {
		return 0, fmt.Errorf("FID: %w", err)
	}
	trace := -2 * shared
	for i := range d {
		trace += a.Sigma[i*d+i] + b.Sigma[i*d+i]
	}
	return squaredDistance(a.Mean, b.Mean) + trace, nil
}

// known is N, or more than any where N is unknown.
func (m Moments) known() int {
	if m.N == 0 {
		return int(^uint(0) >> 1)
	}
	return m.N
}

func squaredDistance(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += (v - b[i]) * (v - b[i])
	}
	return sum
}
