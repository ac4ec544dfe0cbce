package rng

import "math"

// Normal fills dst with independent N(0,1) numbers; element j depends on
// (seed, stream, image, step, j) alone, and its bits are the same on every
// platform. len(dst) is at most 2^26, image and step are below 2^48.
func Normal(dst []float32, seed uint64, s Stream, image, step uint64) {
	checkLen(len(dst))
	src := newSource(seed, s, image, step)
	for i := 0; i < len(dst); i += 4 {
		var z [4]float32
		b := src.at(i / 4)
		z[0], z[1] = boxMuller(b.a, b.b)
		z[2], z[3] = boxMuller(b.c, b.d)
		copy(dst[i:], z[:])
	}
}

// boxMuller makes two normal numbers of 64 random bits (Box and Muller 1958):
//
//	sqrt(-2·ln u)·cos 2πv, sqrt(-2·ln u)·sin 2πv
//
// with u, v at the middles of 2^32 equal cells of (0,1), so that no result is
// infinite; the largest is 6.8.
func boxMuller(u, v uint32) (float32, float32) {
	r := math.Sqrt(-2 * ln((float64(u)+0.5)*0x1p-32))
	sin, cos := sincosTurn(v)
	return float32(r * cos), float32(r * sin)
}

// The functions below are written out because math.Log and math.Sincos differ
// by an ulp between platforms. A product that is added to something is
// converted first: Go must then round it and cannot fuse the two. Their errors,
// below 2e-10, vanish in a float32.

// ln is the natural logarithm of a normal u > 0: u = m·2^e with m in
// [sqrt(1/2), sqrt(2)), and ln m = 2·artanh(z), z = (m-1)/(m+1), |z| < 0.172.
func ln(u float64) float64 {
	// Counting from the bits of sqrt(1/2) puts m into that range directly.
	const sqrtHalf = 0x3FE6A09E667F3BCD
	bits := math.Float64bits(u) - sqrtHalf
	e := int64(bits) >> 52
	m := math.Float64frombits(bits - uint64(e)<<52 + sqrtHalf)
	z := (m - 1) / (m + 1)
	w := z * z
	p := 1 / 11.0
	p = 1/9.0 + float64(w*p)
	p = 1/7.0 + float64(w*p)
	p = 1/5.0 + float64(w*p)
	p = 1/3.0 + float64(w*p)
	p = 1 + float64(w*p)
	return float64(float64(e)*math.Ln2) + float64(2*z*p)
}

// sincosTurn is the sine and cosine of v+1/2 parts in 2^32 of a full turn: a
// quarter turn from v's top bits and the Taylor series on the rest, which lies
// within an eighth of a turn of zero.
func sincosTurn(v uint32) (sin, cos float64) {
	v += 1 << 29 // round to the nearest quarter
	quarter := v >> 30
	rest := int32(v<<2>>2) - 1<<29
	a := (float64(rest) + 0.5) * (math.Pi / (1 << 31))
	w := a * a
	s := -1 / 39916800.0
	s = 1/362880.0 + float64(w*s)
	s = -1/5040.0 + float64(w*s)
	s = 1/120.0 + float64(w*s)
	s = -1/6.0 + float64(w*s)
	s = a + float64(a*float64(w*s))
	c := -1 / 3628800.0
	c = 1/40320.0 + float64(w*c)
	c = -1/720.0 + float64(w*c)
	c = 1/24.0 + float64(w*c)
	c = -1/2.0 + float64(w*c)
	c = 1 + float64(w*c)
	// By quarters (sin, cos) is (s, c), (c, -s), (-s, -c), (-c, s); a switch
	// would be mispredicted half of the time.
	turned := [2]float64{s, c}
	sin, cos = turned[quarter&1], turned[quarter&1^1]
	sin = math.Float64frombits(math.Float64bits(sin) ^ uint64(quarter>>1)<<63)
	cos = math.Float64frombits(math.Float64bits(cos) ^ uint64((quarter+1)>>1)<<63)
	return sin, cos
}
