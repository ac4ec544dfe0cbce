package kernel

import "math"

// GroupNorm normalizes each group of c/groups channels over all pixels of an
// image (Wu and He 2018) and scales and shifts each channel:
//
//	y = gamma·(x−mean)·rstd + beta, then y·σ(y) if silu
//
// with rstd = 1/√(variance+eps), the variance being the biased one. x and y
// are n images [hw][c]; mean and rstd, [n][groups], are kept for the gradient.
// y may be x.
func (s *Set) GroupNorm(ws *Workspace, y, mean, rstd, x, gamma, beta []float32, n, hw, c, groups int, eps float32, silu bool) {
	mark := ws.mark()
	defer ws.release(mark)
	sum, sq := ws.float32s(c), ws.float32s(c)
	a, b := ws.float32s(c), ws.float32s(c)
	apply := s.vec.affine
	if silu {
		apply = s.vec.affineSiLU
	}
	for i := range n {
		xi, yi := x[i*hw*c:(i+1)*hw*c], y[i*hw*c:(i+1)*hw*c]
		m, r := mean[i*groups:(i+1)*groups], rstd[i*groups:(i+1)*groups]
		s.vec.moments(sum, sq, xi)
		groupMoments(m, r, sum, sq, xi[:c], hw, float64(eps))
		scaleShift(a, b, m, r, gamma, beta)
		inRows(hw, c, func(j, k int) { apply(yi[j:k], xi[j:k], a, b) })
	}
}

// groupMoments folds the channels' moments about their first pixel, summed
// over hw pixels, into each group's mean and rstd. Moments about a value of
// the channel itself stay accurate where the mean is far greater than the
// deviation; channels are joined by Chan's formula for pooled variances.
func groupMoments(mean, rstd, sum, sq, first []float32, hw int, eps float64) {
	per := len(sum) / len(mean)
	pixels, values := 1/float64(hw), 1/float64(hw*per)
	for g := range mean {
		var total, within float64
		for c := g * per; c < (g+1)*per; c++ {
			d := float64(sum[c])
			total += float64(first[c])*float64(hw) + d
			within += float64(sq[c]) - d*d*pixels
		}
		m := total * values
		for c := g * per; c < (g+1)*per; c++ {
			d := float64(first[c]) + float64(sum[c])*pixels - m
			within += d * d * float64(hw)
		}
		mean[g] = float32(m)
		rstd[g] = float32(1 / math.Sqrt(within*values+eps))
	}
}

// scaleShift turns normalization into one multiply-add a channel:
// gamma·(x−mean)·rstd + beta = a·x + b.
func scaleShift(a, b, mean, rstd, gamma, beta []float32) {
	per := len(a) / len(mean)
	for g, m := range mean {
		r := rstd[g]
		for c := g * per; c < (g+1)*per; c++ {
			a[c] = gamma[c] * r
			b[c] = float32(float64(beta[c]) - float64(m)*float64(a[c]))
		}
	}
}

// GroupNormBackward is GroupNorm's gradient: it writes dx and adds to dgamma
// and dbeta, image by image. x, mean, rstd, gamma and beta are the forward's.
// from, unless it is nil, is added to dx. dx may be dy or from.
//
// With x̂ = (x−mean)·rstd, du the gradient before silu and M values a group,
//
//	dbeta = Σdu, dgamma = Σdu·x̂ over pixels
//	dx = rstd·(gamma·du − Σgamma·du/M − x̂·Σgamma·du·x̂/M), the sums over the group
func (s *Set) GroupNormBackward(ws *Workspace, dx, dgamma, dbeta, dy, x, mean, rstd, gamma, beta, from []float32, n, hw, c, groups int, silu bool) {
	mark := ws.mark()
	defer ws.release(mark)
	sdu, sdux, means := ws.float32s(c), ws.float32s(c), ws.float32s(c)
	a, b := ws.float32s(c), ws.float32s(c)
	k1, k0 := ws.float32s(c), ws.float32s(c)
	per := c / groups
	scratch := ws.float32s(hw * c) // for du
	for i := range n {
		xi, du := x[i*hw*c:(i+1)*hw*c], dy[i*hw*c:(i+1)*hw*c]
		dxi := dx[i*hw*c : (i+1)*hw*c]
		m, r := mean[i*groups:(i+1)*groups], rstd[i*groups:(i+1)*groups]
		scaleShift(a, b, m, r, gamma, beta)
		for c := range means {
			means[c] = m[c/per]
		}
		clear(sdu)
		clear(sdux)
		inRows(hw, c, func(j, k int) {
			if silu {
				s.vec.siluNormSums(sdu, sdux, scratch[j:k], du[j:k], xi[j:k], a, b, means)
			} else {
				s.vec.normSums(sdu, sdux, du[j:k], xi[j:k], means)
			}
		})
		if silu {
			du = scratch
		}
		groupNormSlopes(k1, k0, dgamma, dbeta, sdu, sdux, m, r, gamma, hw)
		inRows(hw, c, func(j, k int) {
			var plus []float32
			if from != nil {
				plus = from[i*hw*c:][j:k]
			}
			s.vec.affine2(dxi[j:k], du[j:k], xi[j:k], a, k1, k0, plus)
		})
	}
}

// groupNormSlopes adds an image's share to dgamma and dbeta and finds k1 and
// k0 of dx = a·du + k1·x + k0, a being gamma·rstd.
func groupNormSlopes(k1, k0, dgamma, dbeta, sdu, sdux, mean, rstd, gamma []float32, hw int) {
	per := len(sdu) / len(mean)
	values := 1 / float64(hw*per)
	for g, m := range mean {
		r := float64(rstd[g])
		var du, dux float64 // Σgamma·du, Σgamma·du·x̂
		for c := g * per; c < (g+1)*per; c++ {
			xhat := float64(sdux[c]) * r
			dgamma[c] += float32(xhat)
			dbeta[c] += sdu[c]
			du += float64(gamma[c]) * float64(sdu[c])
			dux += float64(gamma[c]) * xhat
		}
		slope := -r * r * dux * values
		shift := -r*du*values - float64(float32(slope))*float64(m)
		for c := g * per; c < (g+1)*per; c++ {
			k1[c], k0[c] = float32(slope), float32(shift)
		}
	}
}
