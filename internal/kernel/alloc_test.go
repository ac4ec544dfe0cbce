package kernel

import "testing"

// TestNothingIsAllocated: once its scratch has grown, no kernel makes garbage.
func TestNothingIsAllocated(t *testing.T) {
	const n, hw, c, groups, heads, dim = 2, 64, 16, 4, 2, 8
	x, y, z := normals(1, n*hw*c, 0, 1), normals(2, n*hw*c, 0, 1), normals(3, n*hw*c, 0, 1)
	e, m, r := normals(4, n*c, 0, 1), make([]float32, n*groups), make([]float32, n*groups)
	gamma, beta, lse := normals(5, c, 0, 1), normals(6, c, 0, 1), make([]float32, n*heads*hw)
	dq, dk, dv, both := poison(n*hw*c), poison(n*hw*c), poison(n*hw*c), poison(4*n*hw*c)
	loss, weights := make([]float64, n), normals(6, n, 1, 0)
	pool := Pool{N: n, H: 8, W: 8, C: c, Window: Square(3), Stride: 2}
	pooled := poison(n * 4 * 4 * c)
	a := AdamArgs{P: x, G: y, M: dq, V: dk, EMA: dv, Step: 1, LR: 1e-3, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, GradScale: 1}
	onAllSets(t, func(t *testing.T, s *Set) {
		ws := NewWorkspace()
		kernels := map[string]func(){
			"GroupNorm": func() {
				s.GroupNorm(ws, y, m, r, x, gamma, beta, n, hw, c, groups, 1e-5, true)
				s.GroupNormBackward(ws, z, gamma, beta, y, x, m, r, gamma, beta, nil, n, hw, c, groups, true)
			},
			"Attention": func() {
				s.Attention(ws, y, lse, x, x, x, n, hw, heads, dim)
				s.AttentionBackward(ws, dq, dk, dv, z, y, lse, x, x, x, n, hw, heads, dim)
			},
			"SiLU":        func() { s.SiLU(y, x); s.SiLUBackward(z, y, x) },
			"Add":         func() { s.Add(z, x, y); s.AddTo(z, x); s.Combine(z, 1, x, 2, y, 3, x) },
			"AddChannels": func() { s.AddChannels(y, x, e, n, hw, c); s.SumPixels(e, y, n, hw, c) },
			"Concat": func() {
				s.PutChannels(both, x, n*hw, Slot{c, 2 * c})
				s.TakeChannels(z, both, n*hw, Slot{c, 2 * c})
			},
			"Pools": func() {
				s.MaxPool(ws, pooled, x, pool)
				s.AvgPool(ws, pooled, x, pool)
				s.AvgPoolBackward(ws, z, pooled, pool)
				s.GlobalAvgPool(e, x, n, hw, c)
				s.GlobalAvgPoolBackward(z, e, n, hw, c)
			},
			"SquaredError": func() { s.SquaredError(z, x, y, n, hw*c, 1, weights, loss) },
			"Adam":         func() { s.Adam(a) },
			"SumSquares":   func() { s.SumSquares(x); s.AllFinite(x) },
		}
		for name, f := range kernels {
			if allocations := testing.AllocsPerRun(5, f); allocations > 0 {
				t.Errorf("%s: %v allocations", name, allocations)
			}
		}
	})
}
