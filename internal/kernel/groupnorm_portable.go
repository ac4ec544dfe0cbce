package kernel

// sumRows is how many pixels are summed apart before they join the total, so
// that the rounding error of long sums stays small.
const sumRows = 32

func momentsPortable(sum, sq, x []float32) {
	clear(sum)
	clear(sq)
	c := len(sum)
	first := x[:c]
	for j := range c {
		for from := j; from < len(x); from += sumRows * c {
			var s, q float32
			for i := from; i < min(from+sumRows*c, len(x)); i += c {
				d := x[i] - first[j]
				s += d
				q += d * d
			}
			sum[j] += s
			sq[j] += q
		}
	}
}

func affinePortable(y, x, a, b []float32) {
	for i := 0; i < len(x); i += len(a) {
		for j, v := range x[i : i+len(a)] {
			y[i+j] = a[j]*v + b[j]
		}
	}
}

func affineSiLUPortable(y, x, a, b []float32) {
	for i := 0; i < len(x); i += len(a) {
		for j, v := range x[i : i+len(a)] {
			u := a[j]*v + b[j]
			y[i+j] = u * sigmoid(u)
		}
	}
}

func normSumsPortable(sdu, sdux, du, x, mean []float32) {
	for i := 0; i < len(x); i += len(mean) {
		for j, v := range x[i : i+len(mean)] {
			sdu[j] += du[i+j]
			sdux[j] += du[i+j] * (v - mean[j])
		}
	}
}

func siluNormSumsPortable(sdu, sdux, du, dy, x, a, b, mean []float32) {
	for i := 0; i < len(x); i += len(mean) {
		for j, v := range x[i : i+len(mean)] {
			d := dy[i+j] * siluSlope(a[j]*v+b[j])
			du[i+j] = d
			sdu[j] += d
			sdux[j] += d * (v - mean[j])
		}
	}
}

func affine2Portable(dx, du, x, a, k1, k0, from []float32) {
	for i := 0; i < len(x); i += len(a) {
		for j, v := range x[i : i+len(a)] {
			d := a[j]*du[i+j] + (k1[j]*v + k0[j])
			if from != nil {
				d += from[i+j]
			}
			dx[i+j] = d
		}
	}
}
