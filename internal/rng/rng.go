package rng

import "math/bits"

// Uniform is a number in [0,1) with 53 random bits.
func Uniform(seed uint64, s Stream, image, step uint64) float64 {
	return float64(word(seed, s, image, step)>>11) * 0x1p-53
}

// Uniforms fills dst with numbers in [0,1) of 24 random bits each; len(dst) is
// at most 2^26.
func Uniforms(dst []float32, seed uint64, s Stream, image, step uint64) {
	checkLen(len(dst))
	src := newSource(seed, s, image, step)
	for i := 0; i < len(dst); i += 4 {
		b := src.at(i / 4)
		for j, v := range [4]uint32{b.a, b.b, b.c, b.d} {
			if i+j < len(dst) {
				dst[i+j] = float32(v>>8) * 0x1p-24
			}
		}
	}
}

// Intn is a whole number in [0,n), n > 0, uniform to within n/2^64.
func Intn(n int, seed uint64, s Stream, image, step uint64) int {
	if n <= 0 {
		panic("rng: Intn of a number that is not positive")
	}
	hi, _ := bits.Mul64(word(seed, s, image, step), uint64(n))
	return int(hi)
}

// Perm is a permutation of 0…n-1: Fisher and Yates' shuffle, whose i-th swap is
// drawn for image i at step epoch.
func Perm(n int, seed uint64, s Stream, epoch uint64) []int {
	p := make([]int, n)
	for i := range p {
		j := Intn(i+1, seed, s, uint64(i), epoch)
		p[i], p[j] = p[j], i
	}
	return p
}

// word is the first 64 bits of a source.
func word(seed uint64, s Stream, image, step uint64) uint64 {
	src := newSource(seed, s, image, step)
	b := src.at(0)
	return uint64(b.a) | uint64(b.b)<<32
}
