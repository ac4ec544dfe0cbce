package eval

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distmv"
)

// Covariances with the same eigenvectors have a closed form: rotated by Q,
// diag(p) and diag(q) are Σ(√p-√q)² apart.
func TestFIDOfCommutingCovariances(t *testing.T) {
	const d = 40
	r := source(1)
	var qr mat.QR
	x := mat.NewDense(d, d, nil)
	for i := range d {
		for j := range d {
			x.Set(i, j, r.NormFloat64())
		}
	}
	qr.Factorize(x)
	var q mat.Dense
	qr.QTo(&q)
	rotated := func(eigenvalues []float64) []float64 {
		var m, s mat.Dense
		m.Mul(&q, mat.NewDiagDense(d, eigenvalues))
		s.Mul(&m, q.T())
		return s.RawMatrix().Data
	}
	for _, zeros := range []int{0, 15} { // dimensions in which the first is flat
		want := 0.0
		a, b := Moments{0, make([]float64, d), nil}, Moments{0, make([]float64, d), nil}
		p, s := make([]float64, d), make([]float64, d)
		for i := range d {
			p[i], s[i] = math.Exp(3*r.NormFloat64()), math.Exp(3*r.NormFloat64())
			if i < zeros {
				p[i] = 0
			}
			a.Mean[i], b.Mean[i] = r.NormFloat64(), r.NormFloat64()
			spread, shift := math.Sqrt(p[i])-math.Sqrt(s[i]), a.Mean[i]-b.Mean[i]
			want += spread*spread + shift*shift
		}
		a.Sigma, b.Sigma = rotated(p), rotated(s)
		near(t, "FID", fidOf(t, a, b), want, 1e-12)
	}
}

// Any two Gaussians against gonum's Wasserstein distance, which takes the roots
// of the covariances themselves; and the two ways round.
func TestFIDAgainstGonum(t *testing.T) {
	for _, d := range []int{1, 2, 17, 64} {
		a, b := randomGaussian(source(1), d, 1, 30).moments(), randomGaussian(source(2), d, 1, 30).moments()
		l, ok := distmv.NewNormal(a.Mean, mat.NewSymDense(d, a.Sigma), nil)
		r, ok2 := distmv.NewNormal(b.Mean, mat.NewSymDense(d, b.Sigma), nil)
		if !ok || !ok2 {
			t.Fatal("not positive definite")
		}
		want := distmv.Wasserstein{}.DistNormal(l, r)
		near(t, "FID", fidOf(t, a, b), want, 1e-10)
		near(t, "FID the other way", fidOf(t, b, a), want, 1e-10)
	}
}

// Where both sides have fewer rows than features, the product's root has the
// trace of a matrix of rows against rows: Σ of the singular values of
// C1·C2ᵀ/√((n1-1)(n2-1)), C the centred rows.
func TestFIDOfFewRows(t *testing.T) {
	const d = 60
	a := randomGaussian(source(1), d, 1, 10).draw(source(2), 23)
	b := randomGaussian(source(3), d, 1, 10).draw(source(4), 41)
	ma, mb := momentsOf(t, a), momentsOf(t, b)
	centred := func(s Source, m Moments) *mat.Dense {
		x := mat.NewDense(s.Len(), d, nil)
		for i, v := range s.(rows).data {
			x.Set(i/d, i%d, float64(v)-m.Mean[i%d])
		}
		return x
	}
	var product mat.Dense
	product.Mul(centred(a, ma), centred(b, mb).T())
	var svd mat.SVD
	if !svd.Factorize(&product, mat.SVDNone) {
		t.Fatal("no singular values")
	}
	want := squaredDistance(ma.Mean, mb.Mean) - 2*sum(svd.Values(nil))/math.Sqrt(22*40)
	for i := range d {
		want += ma.Sigma[i*d+i] + mb.Sigma[i*d+i]
	}
	near(t, "FID", fidOf(t, ma, mb), want, 1e-7) // b's null space is rounding under a root
	if got := fidOf(t, mb, ma); got != fidOf(t, ma, mb) {
		t.Errorf("the other way round it is %v", got)
	}
}

func TestFIDOfEqualMoments(t *testing.T) {
	m := randomGaussian(source(1), 50, 1, 10).moments()
	trace := 0.0
	for i := range 50 {
		trace += m.Sigma[i*51]
	}
	if got := fidOf(t, m, m); math.Abs(got) > 1e-12*trace {
		t.Errorf("FID of equal moments is %v", got)
	}
	// Constant features have no covariance at all.
	zero := Moments{5, []float64{1, 2}, make([]float64, 4)}
	if got := fidOf(t, zero, Moments{5, []float64{1, 4}, make([]float64, 4)}); got != 4 {
		t.Errorf("FID of two points 2 apart is %v, want 4", got)
	}
}

// FID of n rows against their own distribution falls as 1/n.
func TestFIDIsBiasedUpwards(t *testing.T) {
	g := randomGaussian(source(1), 16, 1, 3)
	means := map[int]float64{}
	for _, n := range []int{200, 400} {
		for i := range 50 {
			means[n] += fidOf(t, momentsOf(t, g.draw(source(uint64(100*n+i)), n)), g.moments()) / 50
		}
	}
	if ratio := means[200] / means[400]; ratio < 1.8 || ratio > 2.2 {
		t.Errorf("FID is %.4f at 200 and %.4f at 400: a ratio of %.2f, want about 2", means[200], means[400], ratio)
	}
}
