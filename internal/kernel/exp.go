package kernel

import "math"

// exp2 is the twin of the vector kernels' exponential: 2^t for t clamped to
// [−126, 127], about 1.5e-7 relative; NaN gives NaN. The polynomial is the
// minimax of 2^f for |f| ≤ ½ in relative error (Remez, degree 5, 7.5e-8).
func exp2(t float64) float32 {
	if t != t {
		return float32(t)
	}
	if t < -126 {
		t = -126
	} else if t > 127 {
		t = 127
	}
	const shifter = 0x1.8p52 // adding it rounds t to an integer
	z := t + shifter
	n := z - shifter
	f := float32(t - n)
	p01 := 0.6931469440460205*f + 1.0000001192092896
	p23 := 0.05550713092088699*f + 0.24022120237350464
	p45 := 0.0013276472454890609*f + 0.009675540961325169
	return ((p45*f*f+p23)*f*f + p01) * math.Float32frombits(uint32(int32(n)+127)<<23)
}

// sigmoid is 1/(1+e^−u).
func sigmoid(u float32) float32 {
	return 1 / (1 + exp2(-math.Log2E*float64(u)))
}

// siluSlope is the derivative of u·σ(u).
func siluSlope(u float32) float32 {
	s := sigmoid(u)
	return s * (1 + u*(1-s))
}
