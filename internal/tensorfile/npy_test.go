package tensorfile

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sbinet/npyio/npy"
)

// TestNPYReadByNpyio reads our files with a library that we did not write.
func TestNPYReadByNpyio(t *testing.T) {
	for _, shape := range [][]int{{}, {1}, {7}, {2, 3}, {2, 3, 5, 7}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
		n, _ := product(shape)
		data := make([]float32, n)
		for i := range data {
			data[i] = float32(i) - 2.5
		}
		path := filepath.Join(t.TempDir(), "x.npy")
		if err := WriteNPY(path, shape, data); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := npy.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if begin, err := f.Seek(0, 1); err != nil || begin%npyAlign != 0 {
			t.Errorf("shape %v: data begins at %d (%v)", shape, begin, err)
		}
		got := make([]float32, n)
		if err := r.Read(&got); err != nil {
			t.Fatal(err)
		}
		if r.Header.Descr.Type != "<f4" || r.Header.Descr.Fortran || !cmp.Equal(append([]int{}, r.Header.Descr.Shape...), shape) {
			t.Errorf("shape %v: header %v", shape, r.Header)
		}
		if diff := cmp.Diff(data, got); diff != "" {
			t.Errorf("shape %v: %s", shape, diff)
		}
	}
}

func TestNPYRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	for _, shape := range [][]int{nil, {3}, {0}, {2, 0, 3}, {2, 3, 1, 2}} {
		n, _ := product(shape)
		want := make([]float32, n)
		for i := range want {
			want[i] = float32(math.Sqrt(float64(i)))
		}
		if err := WriteNPY(path, shape, want); err != nil {
			t.Fatal(err)
		}
		gotShape, got, err := ReadNPY(path)
		if err != nil {
			t.Fatal(err)
		}
		if !cmp.Equal(gotShape, shape) || !cmp.Equal(got, want) {
			t.Errorf("shape %v: read %v %v", shape, gotShape, got)
		}
	}
	if err := WriteNPY(path, []int{2, 2}, make([]float32, 3)); err == nil {
		t.Error("three elements in 2x2: no error")
	}
}

func TestNPYReadsNumPy(t *testing.T) {
	// numpy.arange(3.)[:, None] as numpy.save lays it out: version 1.0, float64.
	header := "\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (3, 1), }" + strings.Repeat(" ", 58) + "\n"
	data := "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\xf0\x3f" + "\x00\x00\x00\x00\x00\x00\x00\x40"
	shape, got, err := ReadNPY(file(t, []byte(header+data)))
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(shape, []int{3, 1}) || !cmp.Equal(got, []float32{0, 1, 2}) {
		t.Errorf("read %v %v", shape, got)
	}
}

// npyFile is a version 1 file with this dictionary and so many bytes of data.
func npyFile(dict string, data int) string {
	return npyMagic + "\x01\x00" + string([]byte{byte(len(dict)), byte(len(dict) >> 8)}) + dict + strings.Repeat("\x00", data)
}

func TestNPYBadInput(t *testing.T) {
	dict := func(descr, order, shape string) string {
		return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n"
	}
	good := npyFile(dict("'<f4'", "False", "(2,)"), 8)
	for _, c := range []struct {
		name, content, want string
	}{
		{"empty", "", "0 bytes"},
		{"no npy", "PK\x03\x04 a zip file", "is no npy file"},
		{"version 9", "\x93NUMPY\x09\x00\x00\x00\x00\x00", "version 9"},
		{"header longer than the file", "\x93NUMPY\x01\x00\xff\xff\x00\x00\x00", "does not fit"},
		{"header of 4 GB", "\x93NUMPY\x02\x00\xff\xff\xff\xff{}\n", "does not fit"},
		{"no dictionary", npyFile("hello\n", 8), "not understood"},
		{"code for a dictionary", npyFile("{'descr': __import__('os'), }\n", 8), "not understood"},
		{"big-endian", npyFile(dict("'>f4'", "False", "(2,)"), 8), `">f4"`},
		{"objects", npyFile(dict("'|O'", "False", "(2,)"), 8), "Python objects"},
		{"column-major", npyFile(dict("'<f4'", "True", "(2,)"), 8), "column-major"},
		{"cut off", good[:len(good)-1], "takes 8 bytes"},
		{"trailing garbage", good + "x", "takes 8 bytes"},
		{"negative", npyFile(dict("'<f4'", "False", "(-2,)"), 8), "not understood"},
		{"empty dimension", npyFile(dict("'<f4'", "False", "(2,,1)"), 8), "not possible"},
		{"dimension overflows", npyFile(dict("'<f4'", "False", "(99999999999999999999,)"), 8), "not possible"},
		{"product overflows", npyFile(dict("'<f4'", "False", "(4294967296, 4294967296, 2)"), 8), "overflows"},
		{"65 dimensions", npyFile(dict("'<f4'", "False", "("+strings.Repeat("1, ", 64)+"2)"), 8), "not possible"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := ReadNPY(file(t, []byte(c.content)))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.safetensors") {
				t.Errorf("error %v does not name the file and %q", err, c.want)
			}
		})
	}
}
