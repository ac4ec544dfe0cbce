package kernel

func momentsPortable(sum, sq, x []float32) {
	clear(sum)
	clear(sq)
	c := len(sum)
	first := x[:c]
	for i := 0; i < len(x); i += c {
		for j, v := range x[i : i+c] {
			d := v - first[j]
			sum[j] += d
			sq[j] += d * d
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
	clear(sdu)
	clear(sdux)
	for i := 0; i < len(x); i += len(mean) {
		for j, v := range x[i : i+len(mean)] {
			sdu[j] += du[i+j]
			sdux[j] += du[i+j] * (v - mean[j])
		}
	}
}

func siluNormSumsPortable(sdu, sdux, du, dy, x, a, b, mean []float32) {
	clear(sdu)
	clear(sdux)
	for i := 0; i < len(x); i += len(mean) {
		for j, v := range x[i : i+len(mean)] {
			d := dy[i+j] * siluSlope(a[j]*v+b[j])
			du[i+j] = d
			sdu[j] += d
			sdux[j] += d * (v - mean[j])
		}
	}
}

func affine2Portable(dx, du, x, a, k1, k0 []float32) {
	for i := 0; i < len(x); i += len(a) {
		for j, v := range x[i : i+len(a)] {
			dx[i+j] = a[j]*du[i+j] + (k1[j]*v + k0[j])
		}
	}
}
