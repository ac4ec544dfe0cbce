package kernel

import (
	"math"
	"testing"
)

// adam64 is one step of torch.optim.Adam (decoupled false) or AdamW on one
// parameter in float64, written after PyTorch's documentation.
func adam64(a AdamArgs, p, g, m, v float64) (p1, m1, v1 float64) {
	g *= a.GradScale
	if a.Decoupled {
		p -= a.LR * a.WeightDecay * p
	} else {
		g += a.WeightDecay * p
	}
	m = a.Beta1*m + (1-a.Beta1)*g
	v = a.Beta2*v + (1-a.Beta2)*g*g
	mhat := m / (1 - math.Pow(a.Beta1, float64(a.Step)))
	vhat := v / (1 - math.Pow(a.Beta2, float64(a.Step)))
	return p - a.LR*mhat/(math.Sqrt(vhat)+a.Eps), m, v
}

func TestAdam(t *testing.T) {
	cases := map[string]AdamArgs{
		"adam":               {LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, GradScale: 1},
		"adam weight decay":  {LR: 1e-2, Beta1: 0.9, Beta2: 0.99, Eps: 1e-5, WeightDecay: 0.1, GradScale: 1},
		"adamw clipped, ema": {LR: 1e-2, Beta1: 0.8, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.05, Decoupled: true, GradScale: 0.3, EMADecay: 0.9},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			onAllSets(t, func(t *testing.T, s *Set) {
				for _, n := range []int{1, 7, 29, 1000, block + 3} {
					c.P, c.M, c.V = normals(1, n, 0, 1), make([]float32, n), make([]float32, n)
					if c.EMADecay > 0 {
						c.EMA = append([]float32(nil), c.P...)
					}
					p, m, v, ema := doubles(c.P), make([]float64, n), make([]float64, n), doubles(c.P)
					for c.Step = 1; c.Step <= 5; c.Step++ {
						c.G = normals(uint64(10+c.Step), n, 0.1, 1)
						s.Adam(c)
						for i := range n {
							p[i], m[i], v[i] = adam64(c, p[i], float64(c.G[i]), m[i], v[i])
							ema[i] = c.EMADecay*ema[i] + (1-c.EMADecay)*p[i]
						}
					}
					checkClose(t, "p", c.P, p, 1e-6)
					checkClose(t, "m", c.M, m, 1e-6)
					checkClose(t, "v", c.V, v, 1e-6)
					if c.EMA != nil {
						checkClose(t, "ema", c.EMA, ema, 1e-6)
					}
				}
			})
		})
	}
}

// TestAdamIsTheSameOnAllSets: no operation is fused, so the bits agree, and a
// range may be stepped in parts.
func TestAdamIsTheSameOnAllSets(t *testing.T) {
	const n = 1003
	step := func(s *Set, cut int) []float32 {
		a := AdamArgs{
			P: normals(1, n, 0, 1), G: normals(2, n, 0, 1), M: normals(3, n, 0, 0.1), V: make([]float32, n), EMA: normals(4, n, 0, 1),
			Step: 3, LR: 3e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, Decoupled: true, GradScale: 0.7, EMADecay: 0.999,
		}
		first, rest := a, a
		first.P, first.G, first.M, first.V, first.EMA = a.P[:cut], a.G[:cut], a.M[:cut], a.V[:cut], a.EMA[:cut]
		rest.P, rest.G, rest.M, rest.V, rest.EMA = a.P[cut:], a.G[cut:], a.M[cut:], a.V[cut:], a.EMA[cut:]
		s.Adam(first)
		s.Adam(rest)
		return append(append(append(a.P, a.M...), a.V...), a.EMA...)
	}
	want := step(Sets()[0], 500)
	onAllSets(t, func(t *testing.T, s *Set) { checkSame(t, "p, m, v, ema", step(s, 13), want) })
}
