package sample

import (
	"math"
	"slices"

	"diffuse/internal/rng"
)

// From is s without its first k steps, 0 < k < len(s.Steps). Its images begin as clean
// ones under the noise that step k−1 would have left (SDEdit: Meng et al. 2022,
// algorithm 1). start writes them to x0, one for each seed, NHWC in the net's range,
// and says their classes, which are not heeded where the net knows none; several
// goroutines call it.
func (s *Sampler) From(k int, start func(x0 []float32, seeds []uint64) (classes []int)) *Sampler {
	out := *s
	out.Steps = slices.Clone(s.Steps[k:])
	out.Steps[0].Call = true
	out.clean, out.begin = start, s.Steps[k-1].AlphabarPrev
	return &out
}

// start makes b.x what the first step begins with.
func (b *batch) start() {
	b.noise(b.x, rng.SampleStart, 0)
	if b.clean == nil {
		return
	}
	x0 := b.next
	if classes := b.clean(x0, b.seeds); b.classes > 0 {
		b.class = classes
	}
	signal, noise := math.Sqrt(b.begin), math.Sqrt(1-b.begin)
	for i, v := range x0 {
		b.x[i] = float32(signal*float64(v) + noise*float64(b.x[i]))
	}
}
