package kernel

import "math"

func siluPortable(y, x []float32) {
	for i, u := range x {
		y[i] = u * sigmoid(u)
	}
}

func siluBackwardPortable(dx, dy, x []float32) {
	for i, u := range x {
		dx[i] = dy[i] * siluSlope(u)
	}
}

func leakyPortable(y, x []float32, l Leaky) {
	for i, u := range x {
		y[i] = max(u, l.Slope*u) + l.Shift
	}
}

func leakyBackwardPortable(dx, dy, y []float32, l Leaky) {
	for i, u := range y {
		if u > l.Shift {
			dx[i] = dy[i]
		} else {
			dx[i] = l.Slope * dy[i]
		}
	}
}

func addPortable(y, a, b []float32) {
	for i := range y {
		y[i] = a[i] + b[i]
	}
}

func maximumPortable(y, a, b []float32) {
	for i, v := range b {
		if a[i] > v {
			v = a[i]
		}
		y[i] = v
	}
}

func scalePortable(dst []float32, a float32, x []float32) {
	for i := range dst {
		dst[i] = a * x[i]
	}
}

func combinePortable(dst []float32, a float32, x []float32, b float32, y []float32) {
	for i := range dst {
		dst[i] = a*x[i] + b*y[i]
	}
}

func combine3Portable(dst []float32, a float32, x []float32, b float32, y []float32, c float32, z []float32) {
	for i := range dst {
		dst[i] = a*x[i] + b*y[i] + c*z[i]
	}
}

func sumSquaresPortable(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

func allFinitePortable(x []float32) bool {
	const exponent = 0x7f800000
	for _, v := range x {
		if math.Float32bits(v)&exponent == exponent {
			return false
		}
	}
	return true
}

func squaredErrorPortable(dy, y, target []float32, scale2 float32) float64 {
	var sum float64
	for i := range y {
		e := y[i] - target[i]
		sum += float64(e) * float64(e)
		if dy != nil {
			dy[i] = scale2 * e
		}
	}
	return sum
}
