package eval

import (
	"diffuse/internal/fault"
	"diffuse/internal/linalg"
)

// FID is the Fréchet inception distance of two sets of features, the squared
// 2-Wasserstein distance of the Gaussians with their moments:
//
//	‖m1-m2‖² + tr(c1 + c2 - 2·sqrt(c1·c2))
//
// in float64. It is not negative but for rounding. Its bias is upwards and about
// 1/N; where a side is Singular the value is right for those moments and says
// little of the distributions. The order of the two matters to rounding only.
// A covariance that is not positive semidefinite is an error of kind Data.
//
// Source: Heusel et al. 2017, "GANs trained by a two time-scale update rule
// converge to a local Nash equilibrium", eq. 6; Dowson and Landau 1982.
func FID(a, b Moments) (float64, error) {
	if a.Dim() != b.Dim() || a.Dim() == 0 {
		return 0, unlike(a.Dim(), b.Dim())
	}
	d := a.Dim()
	shared, err := linalg.TraceSqrtProduct(a.Sigma, b.Sigma, d, workers())
	if err != nil {
		return 0, fault.New(fault.Data, "", "FID: %w", err)
	}
	trace := -2 * shared
	for i := range d {
		trace += a.Sigma[i*d+i] + b.Sigma[i*d+i]
	}
	return squaredDistance(a.Mean, b.Mean) + trace, nil
}

func squaredDistance(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += (v - b[i]) * (v - b[i])
	}
	return sum
}
