package eval

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// traceSqrtProduct is tr sqrt(s1·s2) of two symmetric positive semidefinite d×d
// matrices, the mass that two Gaussians share in FID. With s1 = L·Lᵀ
//
//	tr sqrt(s1·s2) = Σ sqrt(λ), λ the eigenvalues of Lᵀ·s2·L,
//
// which is symmetric, so that nothing complex appears (scipy.linalg.sqrtm of the
// product itself is only as good as the product is normal). Eigenvalues are right
// to rounding of the largest, so a root of a small one is off by 1e-16·max λ/√λ,
// by 1e-8·√(max λ) at most. Where s1 is singular L has its rank's columns and the
// null space adds exactly nothing: give the matrix of lower rank first.
func traceSqrtProduct(s1, s2 []float64, d int) (float64, error) {
	m := factorize(s1, d).congruence(s2)
	var e mat.EigenSym
	if !e.Factorize(m, false) {
		return 0, errEigen
	}
	trace := 0.0
	for _, v := range e.Values(nil) {
		trace += math.Sqrt(max(0, v)) // an eigenvalue of zero may be rounded below it
	}
	return trace, nil
}

var errEigen = errors.New("the eigenvalues of the covariances do not converge")

// factor is a pivoted Cholesky factorization of a symmetric positive
// semidefinite d×d matrix S, down to rounding (LAPACK's dpstrf):
//
//	S[pivot[i],pivot[j]] = (uᵀ·u)[i,j]
type factor struct {
	dim, rank int
	u         []float64 // rank×dim, upper trapezoidal
	pivot     []int
}

func factorize(s []float64, d int) factor {
	a := append([]float64(nil), s...)
	f := factor{dim: d, pivot: make([]int, d)}
	_, f.rank, _ = lapack64.Pstrf(blas64.Symmetric{Uplo: blas.Upper, N: d, Data: a, Stride: d}, f.pivot, -1, make([]float64, 2*d))
	f.u = a[:f.rank*d]
	for i := range f.rank {
		clear(f.u[i*d : i*d+i]) // what stood there is S
	}
	return f
}

// congruence is Lᵀ·s·L, rank×rank: u·s·uᵀ with s pivoted.
func (f factor) congruence(s []float64) *mat.SymDense {
	d, r := f.dim, f.rank
	if r == 0 { // S is zero: so is the product, which gonum wants to have a row
		return mat.NewSymDense(1, nil)
	}
	pivoted := make([]float64, d*d)
	for i, p := range f.pivot {
		for j, q := range f.pivot {
			pivoted[i*d+j] = s[p*d+q]
		}
	}
	half := make([]float64, r*d) // u·s, for s is its own transpose
	timesTransposed(half, d, f.u, pivoted, r, d, d, 0)
	m := make([]float64, r*r)
	timesTransposed(m, r, half, f.u, r, r, d, 0)
	return mat.NewSymDense(r, m)
}
