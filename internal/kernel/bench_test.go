package kernel

import (
	"fmt"
	"testing"
)

// onAllSetsB runs a benchmark on every kernel set; f returns how many elements
// an iteration treats, for the figure in ns/element.
func onAllSetsB(b *testing.B, name string, elements int, f func(s *Set)) {
	for _, s := range Sets() {
		b.Run(s.Name()+"/"+name, func(b *testing.B) {
			for b.Loop() {
				f(s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(elements), "ns/element")
		})
	}
}

func BenchmarkGroupNorm(b *testing.B) {
	for _, d := range []struct{ hw, c int }{{1024, 32}, {256, 64}, {64, 128}, {16, 256}} {
		const groups = 32
		size := d.hw * d.c
		x, dy, gamma, beta := normals(1, size, 0, 1), normals(2, size, 0, 1), normals(3, d.c, 1, 1), normals(4, d.c, 0, 1)
		y, dx, m, r := poison(size), poison(size), poison(groups), poison(groups)
		dgamma, dbeta := make([]float32, d.c), make([]float32, d.c)
		ws := NewWorkspace()
		for _, silu := range []bool{true, false} {
			name := fmt.Sprintf("%dx%d silu=%v", d.hw, d.c, silu)
			onAllSetsB(b, name, size, func(s *Set) {
				s.GroupNorm(ws, y, m, r, x, gamma, beta, 1, d.hw, d.c, groups, 1e-5, silu)
			})
			onAllSetsB(b, name+" backward", size, func(s *Set) {
				s.GroupNormBackward(ws, dx, dgamma, dbeta, dy, x, m, r, gamma, beta, nil, 1, d.hw, d.c, groups, silu)
			})
		}
	}
}

func BenchmarkAttention(b *testing.B) {
	for _, d := range []struct{ tokens, heads, dim int }{{256, 8, 8}, {64, 16, 8}, {16, 32, 8}, {256, 2, 32}, {256, 2, 64}} {
		size := d.tokens * d.heads * d.dim
		q, k, v, do := normals(1, size, 0, 1), normals(2, size, 0, 1), normals(3, size, 0, 1), normals(4, size, 0, 1)
		o, lse, dq, dk, dv := poison(size), poison(d.heads*d.tokens), poison(size), poison(size), poison(size)
		ws := NewWorkspace()
		name := fmt.Sprintf("%dx%dx%d", d.tokens, d.heads, d.dim)
		scores := d.tokens * d.tokens * d.heads
		onAllSetsB(b, name, scores, func(s *Set) { s.Attention(ws, o, lse, q, k, v, 1, d.tokens, d.heads, d.dim) })
		onAllSetsB(b, name+" backward", scores, func(s *Set) {
			s.AttentionBackward(ws, dq, dk, dv, do, o, lse, q, k, v, 1, d.tokens, d.heads, d.dim)
		})
	}
}

func BenchmarkElementwise(b *testing.B) {
	const n, hw, c = 32768, 1024, 32
	x, y, z, e := normals(1, n, 0, 1), normals(2, n, 0, 1), poison(n), normals(3, c, 0, 1)
	loss := make([]float64, 1)
	onAllSetsB(b, "silu", n, func(s *Set) { s.SiLU(z, x) })
	onAllSetsB(b, "silu backward", n, func(s *Set) { s.SiLUBackward(z, y, x) })
	onAllSetsB(b, "add", n, func(s *Set) { s.Add(z, x, y) })
	onAllSetsB(b, "combine", n, func(s *Set) { s.Combine(z, 2, x, 3, y, 4, x) })
	onAllSetsB(b, "sum squares", n, func(s *Set) { s.SumSquares(x) })
	onAllSetsB(b, "all finite", n, func(s *Set) { s.AllFinite(x) })
	onAllSetsB(b, "squared error", n, func(s *Set) { s.SquaredError(z, x, y, 1, n, 1, []float32{1}, loss) })
	onAllSetsB(b, "add channels", n, func(s *Set) { s.AddChannels(z, x, e, 1, hw, c) })
	onAllSetsB(b, "sum pixels", n, func(s *Set) { s.SumPixels(e, x, 1, hw, c) })
	onAllSetsB(b, "concat", n, func(s *Set) {
		s.PutChannels(z, x[:n/2], hw, Slot{0, c})
		s.PutChannels(z, y[:n/2], hw, Slot{c / 2, c})
	})
}

func BenchmarkAdam(b *testing.B) {
	const n = 1 << 22 // beyond the caches, as a net is
	a := AdamArgs{
		P: normals(1, n, 0, 1), G: normals(2, n, 0, 1), M: make([]float32, n), V: make([]float32, n), EMA: make([]float32, n),
		Step: 1, LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, GradScale: 1, EMADecay: 0.999,
	}
	onAllSetsB(b, "adam ema", n, func(s *Set) { s.Adam(a) })
	a.EMA = nil
	onAllSetsB(b, "adam", n, func(s *Set) { s.Adam(a) })
}
