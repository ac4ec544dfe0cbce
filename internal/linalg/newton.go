package linalg

import (
	"fmt"
	"math"
)

// TraceSqrtNewtonSchulz is tr sqrt(M) of a d×d matrix with a square root, such as
// the product of two covariances, by the iteration of the lesson (fast.ai course
// 22, notebook 18, _sqrtm_newton_schulz; Higham 2008, equation 6.35): with
// Y = M/‖M‖ and Z = I, ‖·‖ being Frobenius's norm,
//
//	T = (3·I - Z·Y)/2,  Y ← Y·T,  Z ← T·Z
//
// Y tends to sqrt(M/‖M‖). It stops when ‖M/‖M‖ - Y·Y‖ is at most tolerance; the
// lesson takes at most 100 iterations and a tolerance of 1e-6, which leaves roots
// of eigenvalues below 1e-6·‖M‖ undecided. It shares nothing with
// TraceSqrtProduct but products of matrices, and takes four of them an iteration:
// a check, slower and less exact.
//
// It is an error if M is not finite or the iteration does not get there.
func TraceSqrtNewtonSchulz(m []float64, d, iterations int, tolerance float64, workers int) (float64, error) {
	return newTeam(workers).traceSqrtNewtonSchulz(m, d, iterations, tolerance)
}

func (t *team) traceSqrtNewtonSchulz(m []float64, d, iterations int, tolerance float64) (float64, error) {
	mustHave("M", m, d*d)
	norm := frobenius(m)
	switch {
	case norm == 0:
		return 0, nil
	case norm-norm != 0:
		return 0, fmt.Errorf("the square root of a matrix of norm %v is not defined", norm)
	}
	target := make([]float64, d*d)
	for i, v := range m {
		target[i] = v / norm
	}
	y, z, w := append([]float64(nil), target...), make([]float64, d*d), make([]float64, d*d)
	next, residual := make([]float64, d*d), math.Inf(1)
	setIdentity(z, d, 1)
	for range iterations {
		setIdentity(w, d, 1.5)
		t.addMul(w, -0.5, z, y, d)
		t.mul(next, y, w, d)
		y, next = next, y
		t.mul(next, w, z, d)
		z, next = next, z
		copy(next, target)
		t.addMul(next, -1, y, y, d)
		if residual = frobenius(next); residual <= tolerance || residual-residual != 0 {
			break
		}
	}
	if !(residual <= tolerance) {
		return 0, fmt.Errorf("the Newton-Schulz iteration does not converge: a residual of %.2g after at most %d iterations", residual, iterations)
	}
	trace := 0.0
	for i := range d {
		trace += y[i*d+i]
	}
	return trace * math.Sqrt(norm), nil
}

func setIdentity(a []float64, d int, scale float64) {
	clear(a)
	for i := range d {
		a[i*d+i] = scale
	}
}

// frobenius is the root of the sum of squares.
func frobenius(a []float64) float64 {
	sum := 0.0
	for _, v := range a {
		sum += v * v
	}
	return math.Sqrt(sum)
}
