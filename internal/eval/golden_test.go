package eval

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"diffuse/internal/linalg"
	"diffuse/internal/tensorfile"
)

// goldenScores is features.json: FID by numpy.cov and scipy.linalg.sqrtm in
// float64, KID by the lesson's code. "half" is the first half of a against the
// second.
type goldenScores struct {
	FIDAB    float64 `json:"fid_ab"`
	FIDAHalf float64 `json:"fid_a_half"`
	FIDAFew  float64 `json:"fid_a_few"`
	KIDAB    float64 `json:"kid_ab"`
	KIDWhole float64 `json:"kid_whole_ab"`
	KIDAHalf float64 `json:"kid_a_half"`
}

// The README's tolerances, relative. sqrtm is only so good where it is singular.
const (
	goldenTolerance    = 1e-9
	goldenToleranceFew = 1e-7
)

func TestGolden(t *testing.T) {
	for _, folder := range goldenFolders() {
		text, err := os.ReadFile(filepath.Join(folder, "features.json"))
		if err != nil {
			t.Fatal(err)
		}
		var want goldenScores
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		features := goldenFeatures(t, folder, "a", "b", "few")
		a, b, few := features[0], features[1], features[2]
		half := a.Len() / 2
		first, second := window{a, 0, half}, window{a, half, a.Len() - half}
		if !momentsOf(t, few).Singular() || momentsOf(t, a).Singular() {
			t.Error("few is singular, a is not")
		}

		near(t, folder+": FID of a and b", fidOf(t, momentsOf(t, a), momentsOf(t, b)), want.FIDAB, goldenTolerance)
		near(t, folder+": FID of a's halves", fidOf(t, momentsOf(t, first), momentsOf(t, second)), want.FIDAHalf, goldenTolerance)
		near(t, folder+": FID of a and few", fidOf(t, momentsOf(t, a), momentsOf(t, few)), want.FIDAFew, goldenToleranceFew)
		near(t, folder+": KID of a and b", kidOf(t, a, b, KIDBlocks).Value, want.KIDAB, goldenTolerance)
		near(t, folder+": KID of a and b in one block", kidOf(t, a, b, KIDWhole).Value, want.KIDWhole, goldenTolerance)
		near(t, folder+": KID of a's halves", kidOf(t, first, second, KIDBlocks).Value, want.KIDAHalf, goldenTolerance)
	}
}

func goldenFolders() []string {
	folders := []string{"testdata"}
	if dir := os.Getenv("DIFFUSE_GOLDEN"); dir != "" {
		folders = append(folders, dir)
	}
	return folders
}

// goldenFeatures reads sets of features.safetensors.
func goldenFeatures(t *testing.T, folder string, names ...string) []Source {
	t.Helper()
	f, err := tensorfile.OpenSafetensors(filepath.Join(folder, "features.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sets := make([]Source, len(names))
	for i, name := range names {
		x, err := f.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if sets[i], err = Rows(x, f.Shape(name)[1]); err != nil {
			t.Fatal(err)
		}
	}
	return sets
}

// The lesson's own square root is another way to FID. It stops when M/‖M‖ - Y·Y
// is at most its tolerance, τ. An eigenvalue of Y is below the root that it tends
// to by at most the root of its part of that, so that the trace, of M = S1·S2, is
// off by at most √‖M‖·d^¾·√τ (Hölder), and FID by twice as much. At the lesson's
// τ that is a bound more than a check; a smaller τ is one.
func TestFIDAgainstTheLessonsRoot(t *testing.T) {
	for _, folder := range goldenFolders() {
		features := goldenFeatures(t, folder, "a", "b")
		a, b := momentsOf(t, features[0]), momentsOf(t, features[1])
		d := a.Dim()
		product := make([]float64, d*d)
		linalg.Mul(product, a.Sigma, b.Sigma, d, workers())
		norm := math.Sqrt(dot(product, product))
		for _, tolerance := range []float64{1e-6, 1e-12} {
			shared, err := linalg.TraceSqrtNewtonSchulz(product, d, 100, tolerance, workers())
			if err != nil {
				t.Fatal(err)
			}
			want := squaredDistance(a.Mean, b.Mean) - 2*shared
			for i := range d {
				want += a.Sigma[i*d+i] + b.Sigma[i*d+i]
			}
			got, most := fidOf(t, a, b), 2*math.Sqrt(norm*tolerance)*math.Pow(float64(d), .75)
			t.Logf("%s: FID %.9g, by the lesson's root at %.0e %.9g: %.1e apart, tolerated %.1e", folder, got, tolerance, want, want-got, most)
			if math.Abs(got-want) > most {
				t.Errorf("%s: FID is %v, by the lesson's root %v", folder, got, want)
			}
		}
	}
}

func kidOf(t testing.TB, a, b Source, estimator string) KID {
	t.Helper()
	k, err := MeasureKID(a, b, estimator, 1)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
