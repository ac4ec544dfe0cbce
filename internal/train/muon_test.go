package train

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/rng"
)

// orthogonal is what the five rounds of the quintic make of x, by its singular value
// decomposition in float64.
func orthogonal(x []float64, rows, cols int) *mat.Dense {
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(rows, cols, x), mat.SVDThin) {
		panic("no decomposition")
	}
	var u, v, out mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	values := svd.Values(nil)
	norm := 0.0
	for _, s := range values {
		norm += s * s
	}
	for i := range values {
		s := values[i] / math.Sqrt(norm)
		for range quinticRounds {
			s = quinticA*s + quinticB*s*s*s + quinticC*s*s*s*s*s
		}
		values[i] = s
	}
	out.Product(&u, mat.NewDiagDense(len(values), values), v.T())
	return &out
}

// Two steps of Muon are those of its definition in float64, whatever a matrix's
// shape; what is no matrix is stepped by AdamW.
func TestMuonAgainstDefinition(t *testing.T) {
	var params model.Params
	params.Add("tall", model.Matrix, 16, 40) // 40 rows of 16 columns where it is computed with
	params.Add("bias", model.Vector, 7)
	params.Add("wide", model.Matrix, 50, 20)
	params.Add("window", model.Conv, 24, 17, 3, 3)
	params.Add("first", model.Conv, 24, 1, 3, 3)
	params.Alloc()
	c := config.Train{Optimizer: config.Muon, Betas: [2]float64{0.9, 0.99}, Eps: 1e-8, WeightDecay: 0.1, EMA: 0.5}
	adam := c
	adam.Optimizer = "adamw"
	n := params.Count()
	start := values(1, n)
	got, stepped := append([]float32(nil), start...), append([]float32(nil), start...)
	copy(params.Data, start)
	muon := newOptimizer(c, kernel.Best(), newTeam(t, 2), &params)
	other := newOptimizer(adam, kernel.Best(), newTeam(t, 2), &params)
	want, momentum, average := doubles(start), make([]float64, n), doubles(start)
	const beta, lr, clip = 0.8, 0.01, 0.5
	for step := range 2 {
		g := values(2+uint64(step), n)
		muon.update(adamStep{params: got, gradient: g, lr: lr, beta1: beta, clip: clip, update: step})
		other.update(adamStep{params: stepped, gradient: g, lr: lr, beta1: beta, clip: clip, update: step})
		for _, p := range params.List {
			if p.Name == "bias" || p.Name == "first" {
				continue
			}
			cols, rows := p.Shape[0], p.Len/p.Shape[0]
			nesterov := make([]float64, p.Len)
			for i := range p.Len {
				at := p.Offset + i
				momentum[at] = beta*momentum[at] + (1-beta)*clip*float64(g[at])
				nesterov[i] = beta*momentum[at] + (1-beta)*clip*float64(g[at])
			}
			o := orthogonal(nesterov, rows, cols).RawMatrix().Data
			for i := range p.Len {
				at := p.Offset + i
				want[at] = want[at]*(1-lr*c.WeightDecay) - lr*0.2*math.Sqrt(float64(max(rows, cols)))*o[i]
				average[at] = average[at]/2 + want[at]/2
			}
		}
	}
	for _, p := range params.List {
		for i := p.Offset; i < p.Offset+p.Len; i++ {
			if p.Name == "bias" || p.Name == "first" {
				if got[i] != stepped[i] || muon.average[i] != other.average[i] {
					t.Fatalf("%s: %v, AdamW makes it %v", p.Name, got[i], stepped[i])
				}
				continue
			}
			if e := math.Abs(float64(got[i]) - want[i]); e > 2e-6 {
				t.Fatalf("%s[%d] is %v, want %v", p.Name, i-p.Offset, got[i], want[i])
			}
			if e := math.Abs(float64(muon.average[i]) - average[i]); e > 2e-6 {
				t.Fatalf("the average of %s[%d] is %v, want %v", p.Name, i-p.Offset, muon.average[i], average[i])
			}
		}
	}
}

// values are n of N(0, 1).
func values(seed uint64, n int) []float32 {
	x := make([]float32, n)
	rng.Normal(x, seed, rng.Noise, 0, 0)
	return x
}

func doubles(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}
