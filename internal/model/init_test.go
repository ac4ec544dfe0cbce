package model

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"diffuse/internal/rng"
)

// PyTorch's orthogonal_ takes the Q of a Householder QR and makes R's diagonal
// positive.
func TestOrthogonalIsQRs(t *testing.T) {
	u := newSmall(t, false)
	p := u.down[0].resample.weight
	const seed = 7
	u.orthogonal(p, seed)
	got := make([]float32, p.Len)
	p.ToTorch(got, u.params.Data)

	rows, cols := p.Shape[0], p.Len/p.Shape[0]
	gauss := make([]float32, p.Len)
	rng.Normal(gauss, seed, rng.Weights, uint64(p.Offset), 1)
	tall := mat.NewDense(cols, rows, nil)
	for i, v := range gauss {
		tall.Set(i%cols, i/cols, float64(v))
	}
	var qr mat.QR
	qr.Factorize(tall)
	var q, r mat.Dense
	qr.QTo(&q)
	qr.RTo(&r)
	for i, v := range got {
		row, col := i/cols, i%cols
		want := math.Copysign(1, r.At(row, row)) * q.At(col, row)
		if math.Abs(float64(v)-want) > 1e-6 {
			t.Fatalf("row %d, column %d is %g, want %g", row, col, v, want)
		}
	}
}
