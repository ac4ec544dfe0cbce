package linalg

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func checkEigenvalues(t *testing.T, name string, team *team, a, want []float64) {
	t.Helper()
	got, err := team.eigenvaluesOf(a, len(want))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	size := max(math.Abs(want[0]), math.Abs(want[len(want)-1]))
	for i, w := range want {
		checkNear(t, fmt.Sprintf("%s: eigenvalue %d of %d", name, i, len(want)), got[i], w, 2e-15*math.Sqrt(float64(len(want)+10))*size)
	}
}

func TestEigenvaluesOfKnownMatrices(t *testing.T) {
	onAllTeams(t, func(t *testing.T, team *team) {
		for _, d := range []int{1, 2, 3, panelRows, 100, 131} {
			second, sines := make([]float64, d*d), make([]float64, d) // differences
			uniform, equal, zero := make([]float64, d), make([]float64, d), make([]float64, d)
			for i := range d {
				second[i*d+i] = 2
				if i > 0 {
					second[i*d+i-1], second[(i-1)*d+i] = -1, -1
				}
				s := math.Sin(math.Pi * float64(i+1) / float64(2*d+2))
				sines[i] = 4 * s * s
				uniform[i], equal[i] = float64(i)-float64(d)/3, 7
			}
			checkEigenvalues(t, "second differences", team, second, sines)
			checkEigenvalues(t, "zero", team, make([]float64, d*d), zero)
			for name, values := range map[string][]float64{
				"uniform": uniform, "equal": equal, "geometric": geometric(d, 1e-14), "huge": scaled(uniform, 1e300), "tiny": scaled(uniform, 1e-300),
			} {
				checkEigenvalues(t, name, team, withSpectrum(5, values), values)
			}
		}
	})
}

func TestEigenvaluesInStripes(t *testing.T) {
	values := normals(1, sharedRows+37)
	a := withSpectrum(2, values)
	onAllTeams(t, func(t *testing.T, team *team) { checkEigenvalues(t, "normal", team, a, values) })
}

// Below the diagonal nothing is read.
func TestTridiagonalizeReadsOneTriangle(t *testing.T) {
	const d = 2*panelRows + 5
	a := gram(1, d, d)
	onAllTeams(t, func(t *testing.T, team *team) {
		var want []float64
		for _, below := range []float64{0, math.NaN()} {
			s := newSquare(d)
			for i := range d {
				for j := range d {
					s.at[i*s.ld+j] = a[i*d+j]
					if j < i {
						s.at[i*s.ld+j] = below
					}
				}
			}
			values, err := team.eigenvalues(s)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = values
			}
			checkSame(t, "values", values, want)
		}
	})
}

func TestEigenvaluesOfSubnormals(t *testing.T) {
	got, err := Eigenvalues([]float64{3e-310, 0, 0, 1e-310}, 2, 1)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	checkNear(t, "the lesser", got[0], 1e-310, 1e-322)
	checkNear(t, "the larger", got[1], 3e-310, 1e-322)
}

func TestEigenvaluesAgainstGonum(t *testing.T) {
	for _, d := range []int{5, 64, 150} {
		a := normals(1, d*d)
		Mirror(a, d)
		var e mat.EigenSym
		if !e.Factorize(mat.NewSymDense(d, a), false) {
			t.Fatal("gonum's eigenvalues do not converge")
		}
		want := e.Values(nil)
		onAllTeams(t, func(t *testing.T, team *team) { checkEigenvalues(t, "normal", team, a, want) })
	}
}

func scaled(x []float64, by float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v * by
	}
	return y
}

func TestEigenvaluesRefuse(t *testing.T) {
	for name, a := range map[string][]float64{
		"no square":      {1, 2, 3},
		"NaN":            {1, math.NaN(), math.NaN(), 1},
		"an infinity":    {math.Inf(-1), 0, 0, 1},
		"not symmetric":  {1, 2, 2.001, 1},
		"NaN below only": {1, 0, math.NaN(), 1},
	} {
		if got, err := Eigenvalues(a, 2, 1); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}
