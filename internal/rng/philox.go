// Package rng holds the project's only source of chance: a counter-based
// generator whose value is a function of (seed, stream, image, step, element),
// so that no result depends on the order of work, the batch or the workers.
package rng

import "math/bits"

// Stream keeps the uses of chance apart: two streams of one seed are
// independent. There are at most 256.
type Stream uint32

// The streams. Append only: a stream's number is part of what a seed means.
const (
	Weights       Stream = iota // initial weights: image is the parameter's index
	Shuffle                     // the order of the training images: step is the epoch
	Flip                        // mirrored training images
	Timestep                    // training timesteps
	Noise                       // training noise
	ValidTimestep               // the fixed timesteps of validation
	ValidNoise                  // the fixed noise of validation
	SampleStart                 // x_T
	SampleStep                  // the noise a sampler adds: step counts from the first
	Strip                       // the noise of a schedule's strip of images
	Crop                        // how far training images are moved
	FloorRows                   // the real images that a score's floor is taken from
	SubsetRows                  // the random subsets of KID: step counts sides, two a subset
	Bootstrap                   // rows drawn again: step is the replicate, image counts draws
	ProbeRows                   // the real images whose nearest neighbours say what near is
	ClassDropout                // training images whose class a conditional net is not told
	SampleClass                 // the class of a drawn image
)

// Philox's multipliers and key increments (Salmon et al. 2011, "Parallel random
// numbers: as easy as 1, 2, 3", table 2 and Random123's philox.h).
const (
	mul0, mul1   = 0xD2511F53, 0xCD9E8D57
	weyl0, weyl1 = 0x9E3779B9, 0xBB67AE85
)

// block is 128 bits: a counter, or what Philox makes of it. (A struct, because
// Go keeps a small struct in registers, but an array in memory.)
type block struct{ a, b, c, d uint32 }

// philox is Philox4x32-10: ten rounds of a keyed bijection of the counter.
func philox(x block, k0, k1 uint32) block {
	for range 10 {
		hi0, lo0 := bits.Mul32(mul0, x.a)
		hi1, lo1 := bits.Mul32(mul1, x.c)
		x = block{hi1 ^ x.b ^ k0, lo1, hi0 ^ x.d ^ k1, lo0}
		k0 += weyl0
		k1 += weyl1
	}
	return x
}

// source is one (seed, stream, image, step): it makes blocks on demand.
type source struct {
	seed    uint64
	counter block // with the block's number left at zero
}

// newSource packs the arguments into Philox's 64-bit key (the seed) and 128-bit
// counter: 24 bits for the block, 8 for the stream, 48 each for image and step.
// Larger numbers would repeat others' bits, so they panic.
func newSource(seed uint64, s Stream, image, step uint64) source {
	if s >= 1<<8 || image >= 1<<48 || step >= 1<<48 {
		panic("rng: stream, image or step out of range")
	}
	return source{seed, block{
		uint32(s) << 24,
		uint32(image),
		uint32(step),
		uint32(image>>32) | uint32(step>>32)<<16,
	}}
}

// at is block number i, below 2^24.
func (s *source) at(i int) block {
	c := s.counter
	c.a |= uint32(i)
	return philox(c, uint32(s.seed), uint32(s.seed>>32))
}

// maxLen is how many elements one (seed, stream, image, step) can have.
const maxLen = 4 << 24

func checkLen(n int) {
	if n > maxLen {
		panic("rng: more than 2^26 elements")
	}
}
