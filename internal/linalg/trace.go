package linalg

import "math"

// TraceSqrtProduct is tr sqrt(S1·S2) of two symmetric positive semidefinite d×d
// matrices, such as covariances: the sum of the roots of the eigenvalues of S1·S2,
// which FID subtracts twice (Heusel et al. 2017, equation 6, after Dowson and
// Landau 1982). S1 = L·Lᵀ by a pivoted Cholesky factorization, and
//
//	tr sqrt(S1·S2) = Σ sqrt(λ), λ the eigenvalues of Lᵀ·S2·L
//
// which is symmetric: no complex numbers appear, as they do in scipy.linalg.sqrtm
// of a product. Both matrices are factored, so both are known to be semidefinite,
// and the one of lower rank r is used: the other eigenvalues are zero and not a
// root of rounding, and the work shrinks with r. Singular matrices (of fewer
// samples than features) are as good as others.
//
// An eigenvalue of λ is right to within rounding of the largest, Λ, so that the
// root of one below 1e-16·Λ may be off by 1e-8·sqrt(Λ).
//
// Elements that are not finite and matrices that are clearly not symmetric, or
// not semidefinite, by more than what float32 files do to them, are errors.
func TraceSqrtProduct(s1, s2 []float64, d, workers int) (float64, error) {
	return newTeam(workers).traceSqrtProduct(s1, s2, d)
}

func (t *team) traceSqrtProduct(s1, s2 []float64, d int) (float64, error) {
	var (
		s         = [2][]float64{s1, s2}
		f         [2]factor
		exponents [2]int
		errs      [2]error
	)
	t.each(2, func(i int) {
		half := &team{kernels: t.kernels, workers: (t.workers + 1 - i) / 2}
		f[i], exponents[i], errs[i] = half.factorize(names[i], s[i], d)
	})
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	low := 0
	if f[1].rank < f[0].rank {
		low = 1
	}
	other := f[1-low].u // its factor is not needed: back to the matrix
	if _, err := t.load(other, names[1-low], s[1-low]); err != nil {
		return 0, err
	}
	var values []float64
	var err error
	if f[low].rank > 0 {
		values, err = t.eigenvalues(t.congruence(f[low], other))
	}
	sum := 0.0
	for _, v := range values {
		sum += math.Sqrt(max(v, 0)) // an eigenvalue of zero may be rounded below it
	}
	return scaleByRoot(sum, exponents[0]+exponents[1]), err
}

// names are what errors call the matrices.
var names = [2]string{"the first covariance", "the second covariance"}

// congruence is U·S·Uᵀ on and above the diagonal, S with its rows and columns in
// the order of the pivots. It destroys s.
func (t *team) congruence(f factor, s square) square {
	pivoted := t.permuted(s, f.pivot)
	half := s.reuse(s.n)
	u := operand{at: f.u.at, ld: f.u.ld, turned: true}
	t.add(product{ // U·S
		c: half.at, ldc: half.ld, alpha: 1,
		a: u, b: operand{at: pivoted.at, ld: pivoted.ld},
		m: f.rank, n: s.n, terms: s.n, aUpper: true,
	})
	whole := pivoted.reuse(f.rank)
	t.add(product{ // (U·S)·Uᵀ
		c: whole.at, ldc: whole.ld, alpha: 1,
		a: operand{at: half.at, ld: half.ld, turned: true}, b: u,
		m: f.rank, n: f.rank, terms: s.n, upper: true, bUpper: true,
	})
	return whole
}

// permuted is s with its rows and columns in the given order.
func (t *team) permuted(s square, order []int) square {
	p := newSquare(s.n)
	t.each(s.n, func(i int) {
		from, to := s.row(order[i], 0), p.row(i, 0)
		for j, k := range order {
			to[j] = from[k]
		}
	})
	return p
}

// scaleByRoot is x·sqrt(2^exponent).
func scaleByRoot(x float64, exponent int) float64 {
	if exponent%2 != 0 {
		x, exponent = x*math.Sqrt2, exponent-1
	}
	return math.Ldexp(x, exponent/2)
}
