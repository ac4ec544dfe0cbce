package linalg

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/lapack/gonum"
)

// Eigenvalues returns the eigenvalues of a symmetric d×d matrix in ascending
// order: Householder's reduction to a tridiagonal matrix, then the root-free QL
// iteration (LAPACK's dsytrd and dsterf). Each is right to within rounding of the
// largest one. A matrix that is not finite or not symmetric is an error.
func Eigenvalues(a []float64, d, workers int) ([]float64, error) {
	return newTeam(workers).eigenvaluesOf(a, d)
}

func (t *team) eigenvaluesOf(a []float64, d int) ([]float64, error) {
	const name = "the matrix"
	if err := checkSize(name, a, d); err != nil {
		return nil, err
	}
	s := newSquare(d)
	exponent, err := t.load(s, name, a)
	if err != nil {
		return nil, err
	}
	values, err := t.eigenvalues(s)
	for i := range values {
		values[i] = math.Ldexp(values[i], exponent)
	}
	return values, err
}

// eigenvalues destroys s.
func (t *team) eigenvalues(s square) ([]float64, error) {
	return t.tridiagonalize(s).eigenvalues()
}

// eigenvalues destroys the diagonals.
func (t tridiagonal) eigenvalues() ([]float64, error) {
	if ok := (gonum.Implementation{}).Dsterf(len(t.diagonal), t.diagonal, t.off); !ok {
		return nil, errors.New("the eigenvalues of a symmetric matrix do not converge")
	}
	return t.diagonal, nil
}
