package tensorfile

import (
	"archive/zip"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/fault"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sbinet/npyio/npz"
)

// statistics5 is what testdata/make_npz.py says.
func statistics5() *Statistics {
	s := &Statistics{Ints: map[string]int64{}, Texts: map[string]string{}}
	for i := range 5 {
		s.Mu = append(s.Mu, float64(i+1)/8)
		for j := range 5 {
			v := 1 / float64(i+j+1)
			if i == j {
				v++
			}
			s.Sigma = append(s.Sigma, v)
		}
	}
	return s
}

// withExtras adds what our own files carry.
func withExtras(s *Statistics) *Statistics {
	s.Ints = map[string]int64{"n": 50000}
	s.Texts = map[string]string{"hash": "3aede38d", "extractor": "Inception-v3 β"}
	return s
}

func TestStatisticsReadNumPy(t *testing.T) {
	exact, single := cmp.Options{}, cmpopts.EquateApprox(1e-7, 0)
	for _, c := range []struct {
		path  string
		want  *Statistics
		equal cmp.Option
	}{
		{"testdata/pytorch_fid.npz", statistics5(), exact},
		{"testdata/savez.npz", withExtras(statistics5()), exact},
		{"testdata/savez_compressed.npz", withExtras(statistics5()), single},
	} {
		got, err := ReadStatistics(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got, c.equal); diff != "" {
			t.Errorf("%s: %s", c.path, diff)
		}
	}
}

func TestStatisticsRoundTrip(t *testing.T) {
	want := withExtras(statistics5())
	want.Ints["negative"] = math.MinInt64
	want.Texts["empty"], want.Texts["wide"] = "", "é😀 x"
	path := filepath.Join(t.TempDir(), "x.npz")
	if err := WriteStatistics(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadStatistics(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteStatistics(path, want); err != nil {
		t.Fatal(err)
	}
	if second, err := os.ReadFile(path); err != nil || !bytes.Equal(first, second) {
		t.Errorf("equal statistics make other bytes (%v)", err)
	}
}

// TestStatisticsReadByNpyio reads our file with a library that we did not write.
func TestStatisticsReadByNpyio(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npz")
	if err := WriteStatistics(path, withExtras(statistics5())); err != nil {
		t.Fatal(err)
	}
	f, err := npz.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if diff := cmp.Diff([]string{"mu.npy", "sigma.npy", "n.npy", "extractor.npy", "hash.npy"}, f.Keys()); diff != "" {
		t.Error(diff)
	}
	var mu, sigma []float64
	var n int64
	for name, to := range map[string]any{"mu.npy": &mu, "sigma.npy": &sigma, "n.npy": &n} {
		if err := f.Read(name, to); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if want := statistics5(); !cmp.Equal(mu, want.Mu) || !cmp.Equal(sigma, want.Sigma) || n != 50000 {
		t.Errorf("read %v %v %d", mu, sigma, n)
	}
	if shape := f.Header("sigma.npy").Descr.Shape; !cmp.Equal(shape, []int{5, 5}) {
		t.Errorf("sigma has shape %v", shape)
	}
}

// npzEntry is a member that holds an array of float64.
func npzEntry(name string, shape []int, data ...float64) member {
	var b strings.Builder
	if err := (npzMember{name, "<f8", shape, data}).write(&b); err != nil {
		panic(err)
	}
	return member{name + ".npy", b.String(), zip.Deflate}
}

func TestStatisticsBadInput(t *testing.T) {
	mu, sigma := npzEntry("mu", []int{2}, 1, 2), npzEntry("sigma", []int{2, 2}, 1, 0, 0, 1)
	good := zipOf(t, mu, sigma)
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	damaged := bytes.Clone(read("testdata/savez.npz"))
	at := bytes.Index(damaged, []byte("3\x00\x00\x00a\x00\x00\x00e")) // hash: 3aede38d
	damaged[at] = '4'
	lying := bytes.Clone(good) // says that sigma has 2 GB
	at = bytes.LastIndex(lying, []byte("sigma.npy")) - 46
	copy(lying[at+24:], "\x00\x00\x00\x80")
	shaped := func(name string, shape []int, data ...float64) []byte {
		if name == "mu" {
			return zipOf(t, npzEntry(name, shape, data...), sigma)
		}
		return zipOf(t, mu, npzEntry(name, shape, data...))
	}
	fortran := sigma
	fortran.content = strings.Replace(sigma.content, "False, 'shape': (2, 2), }", "True, 'shape': (2, 2), } ", 1)
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "no whole npz"},
		{"a npy", []byte(npyFile("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", 16)), "no whole npz"},
		{"cut off", good[:len(good)-5], "no whole npz"},
		{"no mu", zipOf(t, sigma), "has no entry mu"},
		{"no sigma", zipOf(t, mu), "has no entry sigma"},
		{"mu twice", zipOf(t, mu, sigma, mu), "entry mu stands twice"},
		{"no features", zipOf(t, npzEntry("mu", []int{0}), npzEntry("sigma", []int{0, 0})), "mu is empty"},
		{"mu a column", shaped("mu", []int{2, 1}, 1, 2), "entry mu has shape [2 1], not 1 dimensions"},
		{"mu a scalar", shaped("mu", nil, 1), "entry mu has shape [], not 1"},
		{"mu of another length", shaped("mu", []int{3}, 1, 2, 3), "entry sigma has shape [2 2], where mu has 3"},
		{"sigma flat", shaped("sigma", []int{4}, 1, 0, 0, 1), "entry sigma has shape [4], not 2 dimensions"},
		{"sigma not square", shaped("sigma", []int{2, 3}, 1, 0, 0, 0, 1, 0), "entry sigma has shape [2 3]"},
		{"sigma not symmetric", shaped("sigma", []int{2, 2}, 1, 0.5, 0.4, 1), "sigma is not symmetric: [1,0] is 0.4"},
		{"negative variance", shaped("sigma", []int{2, 2}, 1, 0, 0, -1), "sigma[1,1] is -1"},
		{"NaN in mu", shaped("mu", []int{2}, 1, math.NaN()), "mu[1] is NaN"},
		{"infinity in sigma", shaped("sigma", []int{2, 2}, 1, 0, math.Inf(-1), 1), "sigma[1,0] is -Inf"},
		{"objects", read("testdata/objects.npz"), "entry sigma holds Python objects"},
		{"column-major", zipOf(t, mu, fortran), "entry sigma is column-major"},
		{"text for mu", zipOf(t, member{"mu.npy", "hello, world", zip.Store}, sigma), "entry mu is no npy file"},
		{"cut off mu", zipOf(t, member{"mu.npy", mu.content[:len(mu.content)-1], zip.Store}, sigma), "entry mu shape [2] of F64 takes 16 bytes, there are 15"},
		{"too many features", zipOf(t, npzEntry("mu", []int{maxFeatures + 1}, make([]float64, maxFeatures+1)...), sigma), "at most 8192"},
		{"claims of sizes", lying, "entry sigma claims 2147483648 bytes"},
		{"damaged", damaged, "entry hash zip: checksum error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := file(t, c.content)
			_, err := ReadStatistics(path)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) || fault.Code(err) != int(fault.Data) || fault.Hint(err) == "" {
				t.Errorf("error %q (code %d) does not name the file and %q", err, fault.Code(err), c.want)
			}
		})
	}
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "x.npz")} {
		if _, err := ReadStatistics(path); fault.Code(err) != int(fault.Data) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWriteStatisticsRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npz")
	for name, change := range map[string]func(s *Statistics){
		"no features":    func(s *Statistics) { s.Mu, s.Sigma = nil, nil },
		"another size":   func(s *Statistics) { s.Sigma = s.Sigma[1:] },
		"NaN":            func(s *Statistics) { s.Mu[1] = math.NaN() },
		"a name twice":   func(s *Statistics) { s.Ints["hash"] = 1 },
		"called mu":      func(s *Statistics) { s.Texts["mu"] = "x" },
		"no name":        func(s *Statistics) { s.Texts[""] = "x" },
		"no UTF-8":       func(s *Statistics) { s.Texts["hash"] = "\xff" },
		"zero in a text": func(s *Statistics) { s.Texts["hash"] = "x\x00" },
	} {
		s := withExtras(statistics5())
		change(s)
		if err := WriteStatistics(path, s); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused file was written")
	}
}

// FuzzStatistics demands of any file an error, or statistics that can be written
// and read again.
func FuzzStatistics(f *testing.F) {
	f.Add(npzEntry("", []int{2}, 1, 2).content, npzEntry("", []int{2, 2}, 1, 0, 0, 1).content, "")
	f.Add(npzEntry("", []int{1}, 1).content, npzEntry("", []int{1, 1}, 1).content, npyFile("{'descr': '<U2', 'fortran_order': False, 'shape': (), }\n", 8))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, mu, sigma, other string) {
		content := zipOf(t, member{"mu.npy", mu, zip.Store}, member{"sigma.npy", sigma, zip.Deflate}, member{"x.npy", other, zip.Store})
		want, err := readStatistics(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		path := filepath.Join(dir, "x.npz")
		if err := WriteStatistics(path, want); err != nil {
			if strings.Contains(err.Error(), "is no text") { // a zero in it
				return
			}
			t.Fatal(err)
		}
		got, err := ReadStatistics(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
