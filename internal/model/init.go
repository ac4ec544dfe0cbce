package model

import (
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"diffuse/internal/rng"
)

// initPyTorch draws the weights as PyTorch does: U(−1/√fan_in, 1/√fan_in) for
// weights and biases of convolutions and linear layers (kaiming_uniform with
// a = √5), N(0, 1) for embeddings; norms and running statistics change nothing at
// first.
func (n *net) initPyTorch(seed int64) {
	fanIn := 1
	var buffer []float32
	for i, p := range n.params.List {
		w := p.At(n.params.Data)
		switch isNorm := p.Kind == Running || p.Kind == Vector && strings.Contains(p.Name, "norm"); {
		case isNorm && (strings.HasSuffix(p.Name, ".weight") || strings.HasSuffix(p.Name, "_var")):
			fill(w, 1)
		case isNorm:
			fill(w, 0)
		case p.Kind == Table:
			rng.Normal(w, uint64(seed), rng.Weights, uint64(i), 0)
		default:
			if p.Kind != Vector { // a bias follows its weight and has its fan-in
				fanIn = p.Len / p.Shape[0]
			}
			bound := 1 / math.Sqrt(float64(fanIn))
			buffer = slices.Grow(buffer[:0], p.Len)
			values := buffer[:p.Len]
			rng.Uniforms(values, uint64(seed), rng.Weights, uint64(i), 0)
			for j, v := range values {
				values[j] = float32(bound * (2*float64(v) - 1))
			}
			_ = p.FromTorch(n.params.Data, values) // of p's own length
		}
	}
}

// Init draws the weights as PyTorch does. model.init ddpm adds the lesson's
// init_ddpm: zero conv2 in every ResNet block on the way down and up and in
// conv_out, orthogonal downsamplers; the middle block keeps PyTorch's.
func (u *UNet) Init(seed int64) {
	u.initPyTorch(seed)
	if u.cfg.Init == "ddpm" {
		u.initDDPM(seed)
	}
	u.Repack(nil)
}

// Deepen gives u the weights of a net with fewer blocks in its middle and the same
// elsewhere. Blocks that the other lacks are drawn from seed and add nothing to what
// passes through them, until they learn (Chen et al. 2015, Net2Net): u computes what
// the other does.
func (u *UNet) Deepen(from *Params, seed int64) {
	u.initPyTorch(seed)
	for i, a := range u.mid.attentions {
		last := u.mid.resnets[i+1].conv2
		for _, p := range []*Param{a.o.weight, a.o.bias, last.weight, last.bias} {
			fill(p.At(u.params.Data), 0)
		}
	}
	known := map[string]*Param{}
	for _, p := range from.List {
		known[p.Name] = p
	}
	for _, p := range u.params.List {
		if old := known[p.Name]; old != nil {
			copy(p.At(u.params.Data), old.At(from.Data))
		}
	}
	u.Repack(nil)
}

// Init draws the weights as the lesson does: N(0, 2/((1+a²)·fan_in)), a being
// GeneralRelu's slope (kaiming_normal); biases as PyTorch does.
func (r *ResNet) Init(seed int64) {
	r.initPyTorch(seed)
	gain := math.Sqrt(2 / (1 + float64(general.Slope)*float64(general.Slope)))
	for i, p := range r.params.List {
		if p.Kind != Conv && p.Kind != Matrix {
			continue
		}
		values := make([]float32, p.Len)
		rng.Normal(values, uint64(seed), rng.Weights, uint64(i), 1)
		for j := range values {
			values[j] *= float32(gain / math.Sqrt(float64(p.Len/p.Shape[0])))
		}
		_ = p.FromTorch(r.params.Data, values) // of p's own length
	}
	r.Repack(nil)
}

// initDDPM is the lesson's init_ddpm (notebook 17).
func (u *UNet) initDDPM(seed int64) {
	zero := func(c *conv) { fill(c.weight.At(u.params.Data), 0) }
	for _, b := range append(append([]*block{}, u.down...), u.up...) {
		for _, r := range b.resnets {
			zero(r.conv2)
		}
		if b.resample != nil && !b.up {
			u.orthogonal(b.resample.weight, seed)
		}
	}
	zero(u.convOut)
}

// orthogonal makes p's rows, one for each output channel, orthonormal: the Q of
// a Gaussian matrix's LQ with L's diagonal positive (PyTorch's orthogonal_). L is
// A·Aᵀ's Cholesky factor and Q = L⁻¹·A, several times faster than Householder's
// way and as exact here: a wide Gaussian matrix is well conditioned.
func (u *UNet) orthogonal(p *Param, seed int64) {
	rows, cols := p.Shape[0], p.Len/p.Shape[0]
	gauss := make([]float32, p.Len)
	rng.Normal(gauss, uint64(seed), rng.Weights, uint64(p.Offset), 1)
	a := mat.NewDense(rows, cols, nil)
	q := a.RawMatrix()
	for i, v := range gauss {
		q.Data[i] = float64(v)
	}
	var gram mat.SymDense
	gram.SymOuterK(1, a)
	var factor mat.Cholesky
	if !factor.Factorize(&gram) {
		panic("model: the rows of " + p.Name + " are linearly dependent") // normal numbers never are
	}
	var l mat.TriDense
	factor.LTo(&l)
	blas64.Trsm(blas.Left, blas.NoTrans, 1, l.RawTriangular(), q) // over a
	for i, v := range q.Data {
		gauss[i] = float32(v)
	}
	_ = p.FromTorch(u.params.Data, gauss) // of p's own length
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}
