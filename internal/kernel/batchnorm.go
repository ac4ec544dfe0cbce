package kernel

import "math"

// BatchNorm normalizes each channel over all pixels of a batch (Ioffe and
// Szegedy 2015), scales and shifts it, and applies l:
//
//	y = l(gamma·(x−mean)·rstd + beta)
//
// with rstd = 1/√(variance+eps), the variance being the biased one. x and y
// are [rows][c], rows being images times pixels; mean and rstd, [c], are kept
// for the gradient. y may be x.
func (s *Set) BatchNorm(ws *Workspace, y, mean, rstd, x, gamma, beta []float32, rows, c int, eps float32, l Leaky) {
	defer ws.release(ws.mark())
	a, b := ws.float32s(c), ws.float32s(c)
	s.batchMoments(ws, mean, rstd, x, rows, c, float64(eps))
	scaleShift(a, b, mean, rstd, gamma, beta)
	inRows(rows, c, func(i, j int) {
		s.vec.affine(y[i:j], x[i:j], a, b)
		if !l.none() {
			s.vec.leaky(y[i:j], y[i:j], l)
		}
	})
}

// batchMoments finds each channel's mean and rstd. Moments are summed about the
// first pixel of each stretch of rows and joined by Chan's formula.
func (s *Set) batchMoments(ws *Workspace, mean, rstd, x []float32, rows, c int, eps float64) {
	stretch := max(block/c, 1) * c
	stretches := (rows*c + stretch - 1) / stretch
	sums, squares := ws.float32s(stretches*c), ws.float32s(stretches*c)
	for k := range stretches {
		part := x[k*stretch : min((k+1)*stretch, rows*c)]
		s.vec.moments(sums[k*c:][:c], squares[k*c:][:c], part)
	}
	for j := range c {
		var n, m, within float64
		for k := range stretches {
			count := float64(min(stretch, rows*c-k*stretch) / c)
			d := float64(sums[k*c+j])
			here := float64(x[k*stretch+j]) + d/count
			joined := n + count
			within += float64(squares[k*c+j]) - d*d/count + (here-m)*(here-m)*n*count/joined
			m += (here - m) * count / joined
			n = joined
		}
		mean[j] = float32(m)
		rstd[j] = float32(1 / math.Sqrt(within/n+eps))
	}
}

// BatchNormBackward is BatchNorm's gradient: it writes dx and adds to dgamma
// and dbeta. x, y, mean, rstd and gamma are the forward's. from, unless it is
// nil, is added to dx. dx may be dy or from. The formulas are GroupNormBackward's,
// the batch being one image and each channel a group.
func (s *Set) BatchNormBackward(ws *Workspace, dx, dgamma, dbeta, dy, x, y, mean, rstd, gamma, from []float32, rows, c int, l Leaky) {
	defer ws.release(ws.mark())
	sdu, sdux := ws.float32s(c), ws.float32s(c)
	a, k1, k0 := ws.float32s(c), ws.float32s(c), ws.float32s(c)
	scratch := ws.float32s(max(block, c))
	slope := func(i, j int) []float32 { // of the loss by what l was applied to
		if l.none() {
			return dy[i:j]
		}
		du := scratch[:j-i]
		s.vec.leakyBackward(du, dy[i:j], y[i:j], l)
		return du
	}
	clear(sdu)
	clear(sdux)
	inRows(rows, c, func(i, j int) { s.vec.normSums(sdu, sdux, slope(i, j), x[i:j], mean) })
	groupNormSlopes(k1, k0, dgamma, dbeta, sdu, sdux, mean, rstd, gamma, rows)
	for j := range a {
		a[j] = gamma[j] * rstd[j]
	}
	inRows(rows, c, func(i, j int) {
		var plus []float32
		if from != nil {
			plus = from[i:j]
		}
		s.vec.affine2(dx[i:j], slope(i, j), x[i:j], a, k1, k0, plus)
	})
}
