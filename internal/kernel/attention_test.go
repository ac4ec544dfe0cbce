package kernel

import (
	"fmt"
	"math"
	"testing"
)

// attention64 is attention of one image and its gradient in float64, written
// after the definition with the whole score matrix.
func attention64(q, k, v, do []float32, tokens, heads, dim int) (o, lse, dq, dk, dv []float64) {
	c := heads * dim
	o, dq, dk, dv = make([]float64, tokens*c), make([]float64, tokens*c), make([]float64, tokens*c), make([]float64, tokens*c)
	scale := 1 / math.Sqrt(float64(dim))
	dot := func(a, b []float32) float64 {
		sum := 0.0
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	for h := range heads {
		part := func(x []float32, t int) []float32 { return x[t*c+h*dim:][:dim] }
		for i := range tokens {
			p, dp := make([]float64, tokens), make([]float64, tokens)
			most, sum, mean := math.Inf(-1), 0.0, 0.0
			for j := range p {
				p[j] = scale * dot(part(q, i), part(k, j))
				most = max(most, p[j])
			}
			for j := range p {
				p[j] = math.Exp(p[j] - most)
				sum += p[j]
			}
			lse = append(lse, most+math.Log(sum))
			for j := range p {
				p[j] /= sum
				dp[j] = dot(part(do, i), part(v, j))
				mean += p[j] * dp[j]
			}
			for j := range p {
				ds := scale * p[j] * (dp[j] - mean)
				for d := range dim {
					qi, kj := i*c+h*dim+d, j*c+h*dim+d
					o[qi] += p[j] * float64(v[kj])
					dq[qi] += ds * float64(k[kj])
					dk[kj] += ds * float64(q[qi])
					dv[kj] += p[j] * float64(do[qi])
				}
			}
		}
	}
	return o, lse, dq, dk, dv
}

// attend runs forward and backward with poisoned scratch and outputs.
func attend(s *Set, q, k, v, do []float32, n, tokens, heads, dim int) (o, lse, dq, dk, dv []float32) {
	size := n * tokens * heads * dim
	o, lse, dq, dk, dv = poison(size), poison(n*heads*tokens), poison(size), poison(size), poison(size)
	ws := NewPoisonedWorkspace()
	s.Attention(ws, o, lse, q, k, v, n, tokens, heads, dim)
	s.AttentionBackward(ws, dq, dk, dv, do, o, lse, q, k, v, n, tokens, heads, dim)
	return o, lse, dq, dk, dv
}

func TestAttention(t *testing.T) {
	shapes := []struct{ n, tokens, heads, dim int }{
		{1, 1, 1, 1}, {2, 16, 4, 8}, {1, 64, 2, 8}, {1, 256, 1, 8}, {1, 49, 3, 8}, {2, 9, 2, 5}, {1, 133, 1, 12}, {1, 17, 2, 32}, {1, 40, 1, 64}, {1, 30, 1, 67}, {1, 5, 1, 256}, {1, 137, 2, 3},
	}
	onAllSets(t, func(t *testing.T, s *Set) {
		for _, d := range shapes {
			t.Run(fmt.Sprint(d), func(t *testing.T) {
				image := d.tokens * d.heads * d.dim
				q, k := normals(1, d.n*image, 0, 1.7), normals(2, d.n*image, 0.2, 1.7)
				v, do := normals(3, d.n*image, 0, 1), normals(4, d.n*image, 0, 1)
				o, lse, dq, dk, dv := attend(s, q, k, v, do, d.n, d.tokens, d.heads, d.dim)
				for i := range d.n {
					a, b := i*image, (i+1)*image
					wo, wl, wq, wk, wv := attention64(q[a:b], k[a:b], v[a:b], do[a:b], d.tokens, d.heads, d.dim)
					checkClose(t, "o", o[a:b], wo, 2e-6)
					checkClose(t, "lse", lse[i*d.heads*d.tokens:][:d.heads*d.tokens], wl, 1e-6)
					checkClose(t, "dq", dq[a:b], wq, 5e-6)
					checkClose(t, "dk", dk[a:b], wk, 5e-6)
					checkClose(t, "dv", dv[a:b], wv, 5e-6)
				}
			})
		}
	})
}

// TestAttentionInBF16: operands have 8 bits, so scores of a few units are off by
// a hundredth, and so are probabilities.
func TestAttentionInBF16(t *testing.T) {
	shapes := []struct{ n, tokens, heads, dim int }{
		{1, 1, 1, 1}, {2, 16, 4, 8}, {1, 64, 2, 8}, {1, 256, 1, 8}, {1, 49, 3, 8}, {2, 9, 2, 5}, {1, 137, 2, 3}, {1, 133, 1, 12},
	}
	onAllSets(t, func(t *testing.T, s *Set) {
		s = s.In(BF16)
		for _, d := range shapes {
			t.Run(fmt.Sprint(d), func(t *testing.T) {
				image := d.tokens * d.heads * d.dim
				q, k := normals(1, d.n*image, 0, 1), normals(2, d.n*image, 0.2, 1)
				v, do := normals(3, d.n*image, 0, 1), normals(4, d.n*image, 0, 1)
				o, lse, dq, dk, dv := attend(s, q, k, v, do, d.n, d.tokens, d.heads, d.dim)
				for i := range d.n {
					a, b := i*image, (i+1)*image
					wo, wl, wq, wk, wv := attention64(q[a:b], k[a:b], v[a:b], do[a:b], d.tokens, d.heads, d.dim)
					checkClose(t, "o", o[a:b], wo, 1e-2)
					checkClose(t, "lse", lse[i*d.heads*d.tokens:][:d.heads*d.tokens], wl, 1e-2)
					checkClose(t, "dq", dq[a:b], wq, 1e-2)
					checkClose(t, "dk", dk[a:b], wk, 1e-2)
					checkClose(t, "dv", dv[a:b], wv, 1e-2)
				}
			})
		}
	})
}

// TestAttentionWithHugeLogits: scores reach ±10⁴, where all weight is on one
// key; float32 scores then are uncertain by 10⁻³.
func TestAttentionWithHugeLogits(t *testing.T) {
	onAllSets(t, func(t *testing.T, s *Set) {
		const tokens, heads, dim = 29, 2, 8
		size := tokens * heads * dim
		q, k, v, do := normals(1, size, 0, 60), normals(2, size, 0, 60), normals(3, size, 0, 1), normals(4, size, 0, 1)
		o, lse, _, _, dv := attend(s, q, k, v, do, 1, tokens, heads, dim)
		wo, wl, _, _, wv := attention64(q, k, v, do, tokens, heads, dim)
		checkClose(t, "o", o, wo, 2e-3)
		checkClose(t, "lse", lse, wl, 1e-6)
		checkClose(t, "dv", dv, wv, 2e-3)
	})
}

func TestAttentionPassesNaNOn(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		onAllPrecisions(t, func(t *testing.T, s *Set) {
			const tokens, heads, dim = 19, 2, 8
			size := tokens * heads * dim
			q, k, v, do := normals(1, size, 0, 1), normals(2, size, 0, 1), normals(3, size, 0, 1), normals(4, size, 0, 1)
			q[3*heads*dim+1] = float32(bad) // query 3 of head 0
			o, _, dq, dk, _ := attend(s, q, k, v, do, 1, tokens, heads, dim)
			for i, x := range o {
				if isNaN, want := x != x, i/(heads*dim) == 3 && i%(heads*dim) < dim; isNaN != want {
					t.Fatalf("o[%d] is %v with a query of %v", i, x, bad)
				}
			}
			if s.AllFinite(dq) || s.AllFinite(dk) {
				t.Fatal("gradients are finite")
			}
		})
	}
}

// TestAttentionOfAnImageStandsAlone: the bits of an image's results do not
// depend on its place in the batch.
func TestAttentionOfAnImageStandsAlone(t *testing.T) {
	onAllPrecisions(t, func(t *testing.T, s *Set) {
		const n, tokens, heads, dim = 3, 21, 2, 10
		image := tokens * heads * dim
		q, k, v, do := normals(1, n*image, 0, 1), normals(2, n*image, 0, 1), normals(3, n*image, 0, 1), normals(4, n*image, 0, 1)
		o, lse, dq, dk, dv := attend(s, q, k, v, do, n, tokens, heads, dim)
		for i := range n {
			a, b := i*image, (i+1)*image
			o1, lse1, dq1, dk1, dv1 := attend(s, q[a:b], k[a:b], v[a:b], do[a:b], 1, tokens, heads, dim)
			checkSame(t, "o", o1, o[a:b])
			checkSame(t, "lse", lse1, lse[i*heads*tokens:(i+1)*heads*tokens])
			checkSame(t, "dq", dq1, dq[a:b])
			checkSame(t, "dk", dk1, dk[a:b])
			checkSame(t, "dv", dv1, dv[a:b])
		}
	})
}
