package eval

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

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
	folders := []string{"testdata"}
	if dir := os.Getenv("DIFFUSE_GOLDEN"); dir != "" {
		folders = append(folders, dir)
	}
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join(folder, "features.json"))
		if err != nil {
			t.Fatal(err)
		}
		var want goldenScores
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		f, err := tensorfile.OpenSafetensors(filepath.Join(folder, "features.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		read := func(name string) Source {
			x, err := f.Read(name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Rows(x, f.Shape(name)[1])
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		a, b, few := read("a"), read("b"), read("few")
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

func kidOf(t testing.TB, a, b Source, estimator string) KID {
	t.Helper()
	k, err := MeasureKID(a, b, estimator, 1)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
