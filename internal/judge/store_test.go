package judge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
)

// Each term has a part in the name.
func TestKeyTerms(t *testing.T) {
	terms := featureTerms{"images", "weights", "layer", "fp32", "avx2"}
	seen := map[string]string{Key(terms): "nothing"}
	for what, change := range map[string]func(f *featureTerms){
		"images": func(f *featureTerms) { f.Images += "x" }, "extractor": func(f *featureTerms) { f.Extractor += "x" },
		"features": func(f *featureTerms) { f.Features += "x" }, "precision": func(f *featureTerms) { f.Precision += "x" },
		"kernels": func(f *featureTerms) { f.Kernels += "x" },
	} {
		other := terms
		change(&other)
		if before, ok := seen[Key(other)]; ok {
			t.Errorf("a change of %s has the name of a change of %s", what, before)
		}
		seen[Key(other)] = what
	}
}

// the is the one file of a form in dir.
func the(t *testing.T, dir, form string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, form))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %s: %v, %v", form, files, err)
	}
	return files[0]
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(bytes.Clone(b))
	if bytes.Equal(changed, b) {
		t.Fatalf("%s: nothing was changed", path)
	}
	if err := os.WriteFile(path, changed, 0o666); err != nil {
		t.Fatal(err)
	}
}

func replaced(old, by string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(by), 1) }
}

// filesIn is how many files a folder has, hidden ones too.
func filesIn(t *testing.T, dir string) int {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// Whatever happens to the files, features are made anew and stored again.
func TestStoredFeaturesThatCannotBeTrusted(t *testing.T) {
	const rows, note = "features-*.f32", "features-*.json"
	for _, c := range []struct {
		name, file string
		damage     func([]byte) []byte // nil takes the file away
	}{
		{"a bit of a row", rows, func(b []byte) []byte { b[100] ^= 1; return b }},
		{"a short file", rows, func(b []byte) []byte { return b[:len(b)-4*tinyDim] }},
		{"a long file", rows, func(b []byte) []byte { return append(b, make([]byte, 4*tinyDim)...) }},
		{"an empty file", rows, func([]byte) []byte { return nil }},
		{"no rows", rows, nil},
		{"no note", note, nil},
		{"half a note", note, func(b []byte) []byte { return b[:len(b)/2] }},
		{"a note of other images", note, replaced(`"Images": "`, `"Images": "0`)},
		{"a note of another extractor", note, replaced(`"Extractor": "`, `"Extractor": "0`)},
		{"a note of other kernels", note, replaced(`"Kernels": "`, `"Kernels": "0`)},
		{"a note of fewer rows", note, replaced(`"N": 70`, `"N": 69`)},
		{"a note of wider rows", note, replaced(`"Dim": 8`, `"Dim": 16`)},
		{"a note of another hash", note, replaced(`"SHA256": "`, `"SHA256": "0`)},
		{"a note of no rows", note, replaced(`"N": 70`, `"N": -70`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			first, im := tinyJudge(t, dir, nil)
			if im.read != 70 {
				t.Fatalf("%d images were read at first", im.read)
			}
			want := rowsOf(t, first.real) // before the file under it changes
			if c.damage == nil {
				if err := os.Remove(the(t, dir, c.file)); err != nil {
					t.Fatal(err)
				}
			} else {
				edit(t, the(t, dir, c.file), c.damage)
			}
			again, im := tinyJudge(t, dir, nil)
			if im.read != 70 || !slices.Equal(rowsOf(t, again.real), want) {
				t.Errorf("%d images were read anew; mean %v, was %v", im.read, again.moments.Mean, first.moments.Mean)
			}
			if third, im := tinyJudge(t, dir, nil); im.read != 0 || !slices.Equal(third.moments.Mean, first.moments.Mean) {
				t.Errorf("the store was not made good: %d images were read", im.read)
			}
			if n := filesIn(t, dir); n != 2 {
				t.Errorf("%d files in the store, want rows and note", n)
			}
		})
	}
}

// A floor that was damaged, or is another's, is measured anew.
func TestStoredFloorThatCannotBeTrusted(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"half":    func(b []byte) []byte { return b[:len(b)/2] },
		"nothing": func([]byte) []byte { return []byte("{}") },
		"null":    func([]byte) []byte { return []byte("null") },
		"a digit": func(b []byte) []byte {
			i := bytes.IndexAny(b, "123456789")
			b[i] = b[i]%9 + '1' // another digit
			return b
		},
		"another seed's": func([]byte) []byte {
			dir := t.TempDir()
			j, _ := tinyJudge(t, dir, func(o *Options) { o.Seed = 1 })
			if _, err := j.floor(t.Context(), 30); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(the(t, dir, "floor-*.json"))
			if err != nil {
				t.Fatal(err)
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j, _ := tinyJudge(t, dir, nil)
			want, err := j.floor(t.Context(), 30)
			if err != nil {
				t.Fatal(err)
			}
			edit(t, the(t, dir, "floor-*.json"), damage)
			j, _ = tinyJudge(t, dir, nil)
			got, err := j.floor(t.Context(), 30)
			if err != nil {
				t.Fatal(err)
			}
			if got.FID != want.FID || got.KID == nil || *got.KID != *want.KID || got.N != want.N {
				t.Errorf("floor %+v, was %+v", got, want)
			}
		})
	}
}

// What fails on the way leaves no file.
func TestStoreKeepsNothingOfAFailure(t *testing.T) {
	dir, broken := t.TempDir(), errors.New("broken")
	set := randomImages(200, 8, 8, 1, 1)
	ref := func(im Images) *Reference { return &Reference{Name: "r", Hash: set.Hash, Images: im} }
	o := Options{Extractor: tiny(t, 1), Store: Store{dir}, Kernels: kernel.Best().Name(), Workers: 1, Estimator: eval.KIDBlocks}
	o.Reference = ref(&watched{Images: setImages{set: set}, fails: broken, failsAt: 100})
	if _, err := New(t.Context(), o); !errors.Is(err, broken) {
		t.Errorf("images that fail: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Reference, o.Progress = ref(setImages{set: set}), func(string, int, int) { cancel() }
	if _, err := New(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if n := filesIn(t, dir); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// Several processes may fill one store at once.
func TestStoreFilledByManyAtOnce(t *testing.T) {
	dir, e := t.TempDir(), tiny(t, 1)
	set := randomImages(70, 28, 28, 1, 1)
	var group sync.WaitGroup
	means := make([][]float64, 4)
	for i := range means {
		group.Go(func() {
			j, err := New(t.Context(), Options{
				Extractor: e, Reference: &Reference{Name: "r", Hash: set.Hash, Images: setImages{set: set}}, Store: Store{dir},
				Kernels: kernel.Best().Name(), Workers: 1, Estimator: eval.KIDBlocks,
			})
			if err != nil {
				t.Error(err)
				return
			}
			defer j.Close()
			means[i] = j.Moments().Mean
		})
	}
	group.Wait()
	for _, m := range means {
		if m == nil || !slices.Equal(m, means[0]) {
			t.Errorf("means %v and %v", m, means[0])
		}
	}
	if n := filesIn(t, dir); n != 2 {
		t.Errorf("%d files, want rows and note", n)
	}
}

// The note says what the rows are, for people who look into the folder; the rows
// are little-endian.
func TestNoteSaysWhatTheRowsAre(t *testing.T) {
	dir := t.TempDir()
	j, _ := tinyJudge(t, dir, nil)
	b, err := os.ReadFile(the(t, dir, "features-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var note storedNote
	if err := json.Unmarshal(b, &note); err != nil {
		t.Fatal(err)
	}
	if note.Name != "random" || note.N != 70 || note.Dim != tinyDim || note.Terms.Extractor != j.o.Extractor.Hash || note.Terms.Precision != "fp32" {
		t.Errorf("note %+v", note)
	}
	raw, err := os.ReadFile(the(t, dir, "features-*.f32"))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range rowsOf(t, j.real) {
		bits := uint32(raw[4*i]) | uint32(raw[4*i+1])<<8 | uint32(raw[4*i+2])<<16 | uint32(raw[4*i+3])<<24
		if math.Float32frombits(bits) != v {
			t.Fatalf("value %d is not little-endian float32", i)
		}
	}
}

// bf16's features are not taken for fp32's.
func TestStoreOfAnotherPrecision(t *testing.T) {
	dir, path := t.TempDir(), tinyFile(t, 1, 1)
	for _, p := range []kernel.Precision{kernel.FP32, kernel.BF16} {
		e, err := ClassifierFile(path, kernel.Best().In(p))
		if err != nil {
			t.Fatal(err)
		}
		if _, im := tinyJudge(t, dir, func(o *Options) { o.Extractor = e }); im.read != 70 {
			t.Errorf("%s: %d images were read, want all", p, im.read)
		}
	}
}

// Without a folder features are temporary files that last until they are closed.
func TestTemporaryFeaturesVanish(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	j, _ := tinyJudge(t, "", nil)
	if n := filesIn(t, tmp); n != 1 {
		t.Errorf("%d files for the reference, want one", n)
	}
	images := setImages{set: randomImages(20, 28, 28, 1, 2)}
	if s, err := j.Score(t.Context(), images); err != nil || s.FID == nil {
		t.Errorf("score %+v, %v", s, err)
	}
	if _, err := j.Score(t.Context(), &watched{Images: images, fails: errors.New("broken")}); err == nil {
		t.Error("images that fail are scored")
	}
	if n := filesIn(t, tmp); n != 1 {
		t.Errorf("%d files after scores, want the reference's only", n)
	}
	j.Close()
	if n := filesIn(t, tmp); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// A folder that cannot be is an error that says which flag names another.
func TestFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	set := randomImages(20, 8, 8, 1, 1)
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		_, err := New(t.Context(), Options{
			Extractor: tiny(t, 1), Reference: &Reference{Hash: set.Hash, Images: setImages{set: set}}, Store: Store{dir}, Workers: 1, Estimator: eval.KIDBlocks,
		})
		if fault.Code(err) != int(fault.Failure) || !strings.Contains(err.Error(), file) || !strings.Contains(fault.Hint(err), "--cache") {
			t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
		}
	}
}
