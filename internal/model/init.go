package model

import (
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"diffuse/internal/profile"
	"diffuse/internal/rng"
	"diffuse/internal/team"
)

// Repack derives the kernels' form of every layer's weights.
func (u *UNet) Repack(t *team.Team) {
	_ = t.Run(len(u.packed), packing{u}) // it never fails
}

// packing is the layers to pack, as jobs.
type packing struct{ *UNet }

// Do packs layer i.
func (u packing) Do(_, i int) error {
	p := u.packed[i]
	defer u.notes.Add("pack weights", time.Now(), p.weight.Len, profile.Work{Bytes: 12}) // read, and written in two forms
	u.back.Pack(*p.filter, p.weight.At(u.params.Data))
	return nil
}

// Init draws the weights as PyTorch does: U(−1/√fan_in, 1/√fan_in) for weights
// and biases of convolutions and linear layers (kaiming_uniform with a = √5),
// 1 and 0 for norms. ddpm adds the lesson's init_ddpm: zero conv2 in every
// ResNet block on the way down and up and in conv_out, orthogonal downsamplers;
// the middle block keeps PyTorch's.
func (u *UNet) Init(seed int64, ddpm bool) {
	fanIn := 1
	var buffer []float32
	for i, p := range u.params.List {
		w := p.At(u.params.Data)
		switch isNorm := p.Kind == Vector && strings.Contains(p.Name, "norm"); {
		case isNorm && strings.HasSuffix(p.Name, ".weight"):
			fill(w, 1)
		case isNorm:
			fill(w, 0)
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
			_ = p.FromTorch(u.params.Data, values) // of p's own length
		}
	}
	if ddpm {
		u.initDDPM(seed)
	}
	u.Repack(nil)
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
