package eval

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Moments of rows that cross blocks and tiles against gonum's two passes.
func TestMomentsAgainstGonum(t *testing.T) {
	for _, c := range []struct{ n, d int }{{2, 1}, {256, 3}, {257, 130}, {700, 129}} {
		src := randomGaussian(source(1), c.d, 1, 100).draw(source(2), c.n).(rows)
		m := momentsOf(t, src)
		if m.N != c.n || m.Dim() != c.d {
			t.Fatalf("%v: moments of %d rows of %d", c, m.N, m.Dim())
		}
		x := mat.NewDense(c.n, c.d, nil)
		for i, v := range src.data {
			x.Set(i/c.d, i%c.d, float64(v))
		}
		var want mat.SymDense
		stat.CovarianceMatrix(&want, x, nil)
		largest := mat.Max(&want)
		for i := range c.d {
			if got, want := m.Mean[i], stat.Mean(mat.Col(nil, i, x), nil); math.Abs(got-want) > 1e-14 {
				t.Fatalf("%v: mean %d is %v, want %v", c, i, got, want)
			}
			for j := range c.d {
				if got, want := m.Sigma[i*c.d+j], want.At(i, j); math.Abs(got-want) > 1e-13*largest {
					t.Fatalf("%v: covariance %d,%d is %v, want %v", c, i, j, got, want)
				}
			}
		}
	}
}

// A mean of 2^20 with steps of 1 is exact in float32. Moments of it lose nothing,
// where Σx²-n·m² would lose 40 bits; also where the first block is far from all
// others.
func TestMomentsOfALargeMean(t *testing.T) {
	const n = 4096
	for _, start := range []int{0, blockRows} {
		data := make([]float32, n)
		values := make([]float64, n)
		for i := range data {
			values[i] = float64(i % 7)
			if i >= start {
				values[i] += 1 << 20
			}
			data[i] = float32(values[i])
		}
		m := momentsOf(t, rows{data, 1})
		mean, variance := stat.MeanVariance(values, nil)
		near(t, "mean", m.Mean[0], mean, 1e-15)
		near(t, "variance", m.Sigma[0], variance, 1e-12)
	}
}

// How rows are dealt to Add, and asking for moments in between, changes no bit.
func TestAccumulatorTakesRowsInAnyPortions(t *testing.T) {
	const d = 5
	src := randomGaussian(source(3), d, 1, 10).draw(source(4), 1000).(rows)
	want := momentsOf(t, src)
	a := NewAccumulator(d)
	r := source(5)
	for at := 0; at < 1000; {
		take := min(1000-at, r.IntN(600))
		if err := a.Add(src.data[at*d : (at+take)*d]); err != nil {
			t.Fatal(err)
		}
		at += take
		if at >= 2 {
			if m, err := a.Moments(); err != nil || m.N != at {
				t.Fatalf("moments of %d rows: %d, %v", at, m.N, err)
			}
		}
	}
	got, err := a.Moments()
	if err != nil {
		t.Fatal(err)
	}
	if !same(got, want) {
		t.Error("moments depend on the portions")
	}
}

func same(a, b Moments) bool {
	return a.N == b.N && slices.Equal(a.Mean, b.Mean) && slices.Equal(a.Sigma, b.Sigma)
}

func TestMerge(t *testing.T) {
	src := randomGaussian(source(6), 9, 1, 10).draw(source(7), 500)
	want := momentsOf(t, src)
	got, err := momentsOf(t, window{src, 0, 123}).Merge(momentsOf(t, window{src, 123, 377}))
	if err != nil {
		t.Fatal(err)
	}
	if got.N != 500 {
		t.Errorf("merged %d rows, want 500", got.N)
	}
	for i, v := range want.Sigma {
		if math.Abs(got.Sigma[i]-v) > 1e-14 {
			t.Fatalf("covariance %d is %v, want %v", i, got.Sigma[i], v)
		}
	}
	for i, v := range want.Mean {
		if math.Abs(got.Mean[i]-v) > 1e-14 {
			t.Fatalf("mean %d is %v, want %v", i, got.Mean[i], v)
		}
	}
	if _, err := want.Merge(Moments{0, want.Mean, want.Sigma}); err == nil {
		t.Error("moments of unknown N were merged")
	}
	if _, err := want.Merge(Moments{3, want.Mean[:3], want.Sigma[:9]}); err == nil {
		t.Error("moments of other features were merged")
	}
}

func TestNewMoments(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name        string
		n           int
		mean, sigma []float64
		wrong       string
	}{
		{"known", 7, []float64{1, 2}, []float64{2, 1, 1, 2}, ""},
		{"unknown", 0, []float64{1, 2}, []float64{2, 1, 1, 2}, ""},
		{"one row", 1, []float64{1}, []float64{0}, "no moments: n = 1, a mean of 1 values and a covariance of 1"},
		{"not square", 0, []float64{1, 2}, []float64{2, 1, 1}, "no moments: n = 0, a mean of 2 values and a covariance of 3"},
		{"empty", 5, nil, nil, "no moments: n = 5, a mean of 0 values and a covariance of 0"},
		{"NaN mean", 0, []float64{1, nan}, []float64{2, 1, 1, 2}, "the mean's value 1 is NaN"},
		{"infinite covariance", 0, []float64{1, 2}, []float64{2, math.Inf(1), 1, 2}, "the covariance of features 0 and 1 is +Inf"},
		{"negative variance", 0, []float64{1, 2}, []float64{2, 0, 0, -2}, "the variance of feature 1 is -2"},
		{"not symmetric", 0, []float64{1, 2}, []float64{2, 1, 0, 2}, "the covariance is not symmetric at features 0 and 1"},
	} {
		_, err := NewMoments(c.n, c.mean, c.sigma)
		if got := message(err); got != c.wrong {
			t.Errorf("%s: %q, want %q", c.name, got, c.wrong)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
