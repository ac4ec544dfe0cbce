package kernel

import "time"

// peakProducts is the products of vectors in a round of gemm.peak, PEAK_SUMS in
// csrc/tile.h; tiles have a peak of their own.
const peakProducts = 10

// Peak measures how many products and sums one core does in a second where it
// does nothing else, in flop/s. It takes about 50 ms.
func (s *Set) Peak() float64 {
	const rounds = 1000
	best := 0.0
	for range 5 {
		var done int
		began := time.Now()
		for time.Since(began) < 10*time.Millisecond {
			s.gemm.peak(rounds)
			done += rounds
		}
		flops := float64(done) * 2 * float64(s.gemm.products)
		best = max(best, flops/time.Since(began).Seconds())
	}
	return best
}

// Bandwidth measures how many bytes a second of slices of n values move where
// one is the sum of two others, in byte/s, on one core. It takes about 100 ms.
func (s *Set) Bandwidth(n int) float64 {
	a, b, y := aligned[float32](n), aligned[float32](n), aligned[float32](n)
	s.Add(y, a, b) // so that there is memory behind them
	best := 0.0
	for range 5 {
		var bytes int
		began := time.Now()
		for time.Since(began) < 20*time.Millisecond {
			s.Add(y, a, b)
			bytes += 3 * 4 * n
		}
		best = max(best, float64(bytes)/time.Since(began).Seconds())
	}
	return best
}
