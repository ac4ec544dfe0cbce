package judge

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/tensorfile"

	"github.com/google/go-cmp/cmp"
)

// heldOut gives a judge's reference another split of 90 random images, which
// count how many are read.
func heldOut(o *Options) *watched {
	set := randomImages(90, 28, 28, 1, 9)
	held := new(watched)
	o.Reference.held = func(n int, seed uint64) (Images, string, error) {
		index := make([]int, min(n, set.N))
		for i := range index {
			index[i] = (i*7 + int(seed)) % set.N
		}
		held.Images = setImages{set, index}
		return held, fmt.Sprint("held ", n, seed), nil
	}
	return held
}

// A floor is measured once for each n and seed, and found again in the store.
func TestFloorIsMeasuredOnce(t *testing.T) {
	dir := t.TempDir()
	floor := func(n int, seed uint64) (*eval.Floor, int) {
		t.Helper()
		var held *watched
		j, _ := tinyJudge(t, dir, func(o *Options) { held, o.Seed = heldOut(o), seed })
		var scores []*eval.Score
		for range 2 { // of one judge, too
			scores = append(scores, scoreOf(t, j, setImages{set: randomImages(n, 28, 28, 1, 5)}))
		}
		if diff := cmp.Diff(scores[0], scores[1]); diff != "" {
			t.Errorf("n=%d seed %d: the same images score otherwise: %s", n, seed, diff)
		}
		return scores[0].Floor, held.read
	}
	first, read := floor(40, 0)
	if read != 90 || first.N != 40 || first.Draws != 2 || first.FID <= 0 || first.KID == nil {
		t.Fatalf("%d images were read for the floor %+v", read, first)
	}
	if again, read := floor(40, 0); read != 0 || !cmp.Equal(again, first) {
		t.Errorf("%d images were read again: %+v, was %+v", read, again, first)
	}
	for _, c := range []struct {
		n    int
		seed uint64
	}{{40, 1}, {41, 0}} {
		if other, read := floor(c.n, c.seed); read != 90 || other.FID == first.FID || other.N != c.n {
			t.Errorf("n=%d seed %d: %d images were read, floor %+v, that of another n and seed is %+v", c.n, c.seed, read, other, first)
		}
	}
	// Where there are fewer real images than samples, the floor says of how many it is.
	if few, read := floor(95, 0); read != 90 || few.N != 90 {
		t.Errorf("%d images were read, floor %+v", read, few)
	}
}

func scoreOf(t *testing.T, j *Judge, im Images) *eval.Score {
	t.Helper()
	s, err := j.Score(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Another estimator of KID has another floor; without one asked for there is none.
func TestFloorOfAnEstimator(t *testing.T) {
	dir := t.TempDir()
	images := setImages{set: randomImages(40, 28, 28, 1, 5)}
	kid := map[string]float64{}
	for _, estimator := range []string{eval.KIDBlocks, eval.KIDWhole} {
		j, _ := tinyJudge(t, dir, func(o *Options) { o.Estimator = estimator })
		s := scoreOf(t, j, images)
		if kid[estimator] = *s.Floor.KID; s.KIDEstimator != estimator {
			t.Errorf("KID is by %s, not %s", s.KIDEstimator, estimator)
		}
	}
	if kid[eval.KIDBlocks] == kid[eval.KIDWhole] {
		t.Error("both estimators have one floor")
	}
	j, _ := tinyJudge(t, dir, func(o *Options) { o.NoFloor = true })
	if s := scoreOf(t, j, images); s.Floor != nil || s.KID == nil {
		t.Errorf("without a floor: %+v", s)
	}
}

// Without another split the floor is the score of n of the reference's images,
// at most half of them, against the rest: computed here from the features.
func TestFloorOfHalves(t *testing.T) {
	j, _ := tinyJudge(t, "", func(o *Options) { o.Seed = 4 })
	for n, want := range map[int]int{20: 20, 35: 35, 60: 35} {
		s := scoreOf(t, j, setImages{set: randomImages(n, 28, 28, 1, 5)})
		some, rest, err := eval.Split(j.real, want, 4)
		if err != nil {
			t.Fatal(err)
		}
		a, err := eval.MomentsOf(some)
		if err != nil {
			t.Fatal(err)
		}
		b, err := eval.MomentsOf(rest)
		if err != nil {
			t.Fatal(err)
		}
		fid, err := eval.FID(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if a.N+b.N != 70 || s.Floor.N != want || s.Floor.FID != fid {
			t.Errorf("n=%d: floor %+v, want %v of %d images", n, s.Floor, fid, want)
		}
	}
}

// A reference too small for the floor's KID is no reason not to score: 8 images
// make KID's 4 blocks, half of them do not.
func TestSmallReferenceIsScored(t *testing.T) {
	set := randomImages(9, 28, 28, 1, 1)
	j, _ := tinyJudge(t, "", func(o *Options) { o.Reference = &Reference{Hash: set.Hash, Images: setImages{set: set}} })
	s, err := j.Score(t.Context(), setImages{set: randomImages(9, 28, 28, 1, 5)})
	if err != nil {
		t.Fatal(err)
	}
	if s.FID == nil || s.KID == nil || s.Floor != nil && s.Floor.KID != nil {
		t.Errorf("score %+v, floor %+v", s, s.Floor)
	}
}

// FID of no more images than features comes with a warning, on either side.
func TestWarningsOfFewImages(t *testing.T) {
	for _, c := range []struct{ samples, reference, want int }{
		{tinyDim + 1, 70, 0}, {tinyDim, 70, 1}, {tinyDim + 1, tinyDim, 1}, {tinyDim, tinyDim, 2},
	} {
		set := randomImages(c.reference, 28, 28, 1, 1)
		j, _ := tinyJudge(t, "", func(o *Options) {
			o.NoFloor, o.Reference = true, &Reference{Hash: set.Hash, Images: setImages{set: set}}
		})
		if s := scoreOf(t, j, setImages{set: randomImages(c.samples, 28, 28, 1, 5)}); len(s.Warnings) != c.want {
			t.Errorf("%+v warns of %q", c, s.Warnings)
		}
	}
}

// pytorch-fid's own statistics say neither n nor whose features they are: what
// can be checked is how many there are.
func TestStatisticsOfAnotherProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.npz")
	write := func(dim int) *Reference {
		t.Helper()
		s := &tensorfile.Statistics{Mu: make([]float64, dim), Sigma: make([]float64, dim*dim)}
		for i := range dim {
			s.Sigma[i*dim+i] = 1
		}
		if err := tensorfile.WriteStatistics(path, s); err != nil {
			t.Fatal(err)
		}
		r, err := StatisticsReference(path, tiny(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	j, _ := tinyJudge(t, "", func(o *Options) { o.Reference = write(tinyDim) })
	s := scoreOf(t, j, setImages{set: randomImages(30, 28, 28, 1, 5)})
	hash, err := HashFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if s.Reference != (eval.Reference{Name: "other.npz", Hash: hash}) || s.KID != nil || s.Floor != nil || s.Coverage != nil {
		t.Errorf("score %+v", s)
	}
	_, err = New(t.Context(), Options{Extractor: tiny(t, 1), Reference: write(tinyDim + 1)})
	if fault.Code(err) != int(fault.Data) || !strings.Contains(err.Error(), "other.npz is of 9 features") || !strings.Contains(fault.Hint(err), "diffuse stats") {
		t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
	}
}

// What stands in the file is what was measured, to the bit; other weights refuse it.
func TestStatisticsAreKeptExactly(t *testing.T) {
	j, _ := tinyJudge(t, "", nil)
	path := filepath.Join(t.TempDir(), "s.npz")
	if err := j.WriteStatistics(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	r, err := StatisticsReference(path, j.o.Extractor)
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(*r.Moments, j.moments) || r.Name != "random" || r.Hash != j.o.Reference.Hash {
		t.Errorf("read %+v as %s, wrote %+v", r.Moments, r.Name, j.moments)
	}
	if _, err := StatisticsReference(path, tiny(t, 2)); fault.Code(err) != int(fault.Data) || !strings.Contains(err.Error(), path) {
		t.Errorf("for other weights: code %d: %v", fault.Code(err), err)
	}
}
