package linalg

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distmv"
)

// checkTrace fails unless tr sqrt(s1·s2) is want, to within share of the largest
// it could be, sqrt(tr s1 · tr s2) (Cauchy and Schwarz), and so the other way.
func checkTrace(t *testing.T, name string, team *team, s1, s2 []float64, d int, want, share float64) {
	t.Helper()
	most := math.Sqrt(trace(s1, d)) * math.Sqrt(trace(s2, d))
	for order, s := range [][2][]float64{{s1, s2}, {s2, s1}} {
		got, err := team.traceSqrtProduct(s[0], s[1], d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkNear(t, fmt.Sprintf("%s, order %d of %d: tr sqrt", name, order, d), got, want, share*most)
	}
}

func trace(s []float64, d int) (sum float64) {
	for i := range d {
		sum += s[i*d+i]
	}
	return sum
}

func TestTraceOfCommutingMatrices(t *testing.T) {
	onAllTeams(t, func(t *testing.T, team *team) {
		for _, d := range []int{1, 2, 64, 131} {
			flat, steep, half, other := make([]float64, d), geometric(d, 1e-14), make([]float64, d), make([]float64, d)
			for i := range d {
				flat[i] = 1 + float64(i%7)
				half[i] = flat[i] * float64(i%2)
				other[i] = flat[i] * float64(1-i%2)
			}
			for _, c := range []struct {
				name   string
				a, b   []float64
				share  float64
				scales [2]float64
			}{
				{"flat", flat, flat, 1e-14, [2]float64{1, 3}},
				{"flat and steep", flat, steep, 1e-7, [2]float64{1, 1}},
				{"steep", steep, steep, 1e-7, [2]float64{1, 1}},
				{"flat and singular", flat, half, 1e-14, [2]float64{1, 1}},
				{"singular", half, half, 1e-14, [2]float64{1, 1}},
				{"of no common directions", half, other, 1e-7, [2]float64{1, 1}},
				{"huge and tiny", flat, flat, 1e-14, [2]float64{1e300, 1e-290}},
				{"huge", flat, half, 1e-14, [2]float64{1e150, 1e150}},
				{"zero", flat, make([]float64, d), 0, [2]float64{1, 1}},
			} {
				a, b := scaled(c.a, c.scales[0]), scaled(c.b, c.scales[1])
				want := 0.0
				for i := range d {
					want += math.Sqrt(a[i]) * math.Sqrt(b[i])
				}
				checkTrace(t, c.name, team, withSpectrum(3, a), withSpectrum(3, b), d, want, c.share)
				diagonal := func(x []float64) []float64 {
					s := make([]float64, d*d)
					for i, v := range x {
						s[i*d+i] = v
					}
					return s
				}
				checkTrace(t, c.name+", diagonal", team, diagonal(a), diagonal(b), d, want, c.share)
			}
		}
	})
}

// Of 2×2 matrices M = S1·S2, tr sqrt(M) = sqrt(tr M + 2·sqrt(det M)).
func TestTraceOfTwoByTwo(t *testing.T) {
	onAllTeams(t, func(t *testing.T, team *team) {
		for seed := range uint64(20) {
			a, b := gram(seed, 1+int(seed%3), 2), gram(seed+100, 2, 2)
			det := func(s []float64) float64 { return max(0, s[0]*s[3]-s[1]*s[2]) }
			tr := a[0]*b[0] + a[1]*b[2] + a[2]*b[1] + a[3]*b[3]
			checkTrace(t, fmt.Sprintf("seed %d", seed), team, a, b, 2, math.Sqrt(tr+2*math.Sqrt(det(a)*det(b))), 1e-7)
		}
	})
}

func TestTraceAgainstGonumsWasserstein(t *testing.T) {
	for _, d := range []int{3, 50, 90} {
		a, b, mean := gram(1, 2*d, d), gram(2, 3*d, d), make([]float64, d)
		n1, ok1 := distmv.NewNormal(mean, mat.NewSymDense(d, a), nil)
		n2, ok2 := distmv.NewNormal(mean, mat.NewSymDense(d, b), nil)
		if !ok1 || !ok2 {
			t.Fatal("gonum takes no such covariance")
		}
		// The distance is tr(a+b-2·sqrt(a·b)).
		want := (trace(a, d) + trace(b, d) - distmv.Wasserstein{}.DistNormal(n1, n2)) / 2
		onAllTeams(t, func(t *testing.T, team *team) { checkTrace(t, "Wasserstein", team, a, b, d, want, 1e-13) })
	}
}

// Of fewer samples than features: rows x, y with S1 = xᵀ·x, S2 = yᵀ·y give the
// sum of the singular values of x·yᵀ.
func TestTraceOfFewSamples(t *testing.T) {
	onAllTeams(t, func(t *testing.T, team *team) {
		for _, c := range [][3]int{{3, 5, 40}, {40, 90, 130}, {20, 200, 130}} {
			m, n, d := c[0], c[1], c[2]
			x, y := normals(1, m*d), normals(2, n*d)
			s1, s2 := make([]float64, d*d), make([]float64, d*d)
			addGram(team, s1, x, m, d)
			addGram(team, s2, y, n, d)
			Mirror(s1, d)
			Mirror(s2, d)
			var xy mat.Dense
			xy.Mul(mat.NewDense(m, d, x), mat.NewDense(n, d, y).T())
			var svd mat.SVD
			if !svd.Factorize(&xy, mat.SVDNone) {
				t.Fatal("gonum's singular values do not converge")
			}
			want := 0.0
			for _, v := range svd.Values(nil) {
				want += v
			}
			checkTrace(t, fmt.Sprintf("%d and %d samples", m, n), team, s1, s2, d, want, 1e-13)
		}
	})
}

// Statistics that went through a float32 file are indefinite by its rounding.
func TestTraceOfRoundedStatistics(t *testing.T) {
	const d = 150
	onAllTeams(t, func(t *testing.T, team *team) {
		a, b := gram(1, 60, d), gram(2, 400, d)
		want, err := team.traceSqrtProduct(a, b, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range [][]float64{a, b} {
			for i, v := range s {
				s[i] = float64(float32(v))
			}
		}
		checkTrace(t, "rounded", team, a, b, d, want, 1e-3)
	})
}

func TestTraceRefuses(t *testing.T) {
	identity := []float64{1, 0, 0, 1}
	for name, c := range map[string]struct {
		s    []float64
		want string
	}{
		"no square":                  {[]float64{1, 2}, "2×2"},
		"NaN":                        {[]float64{1, math.NaN(), math.NaN(), 1}, "NaN"},
		"an infinity":                {[]float64{1, 0, 0, math.Inf(1)}, "+Inf"},
		"not symmetric":              {[]float64{1, 0.5, 0.4, 1}, "not symmetric"},
		"a negative variance":        {[]float64{1, 0, 0, -1e-3}, "not positive semidefinite"},
		"negative":                   {[]float64{-1, 0, 0, -1}, "not positive semidefinite"},
		"covariance beyond variance": {[]float64{1, 1.001, 1.001, 1}, "not positive semidefinite"},
		"covariance alone":           {[]float64{0, 1, 1, 0}, "not positive semidefinite"},
		"none but noise":             {[]float64{1e-6, 1, 1, 1e-6}, "not positive semidefinite"},
	} {
		for i, s := range [][2][]float64{{c.s, identity}, {identity, c.s}} {
			got, err := TraceSqrtProduct(s[0], s[1], 2, 2)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), names[i]) {
				t.Errorf("%s, place %d: %v, %v, want an error of %q and %q", name, i, got, err, names[i], c.want)
			}
		}
	}
}

func TestTraceRefusesLargeIndefinite(t *testing.T) {
	values := geometric(2*factorRows+10, 1e-3)
	values[100] = -1e-3
	s := withSpectrum(1, values)
	onAllTeams(t, func(t *testing.T, team *team) {
		if got, err := team.traceSqrtProduct(s, s, len(values)); err == nil {
			t.Error(got)
		}
	})
}
