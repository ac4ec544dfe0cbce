package dataset

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The bytes are spelled out after the format's description (see idxImages).
func TestWriteIDXSpelledOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "train-images-idx3-ubyte")
	if err := WriteIDX(path, 1, 3, []uint8{1, 2, 3, 4, 5, 6}, []uint8{7, 9}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{
		path:               {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6},
		LabelsBeside(path): {0, 0, 8, 1, 0, 0, 0, 2, 7, 9},
	} {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// Fashion-MNIST's test images, written again, are its own files.
func TestWriteIDXAgreesWithTheRealFiles(t *testing.T) {
	dir := sharedData(t)
	set := mustOpen(t, FashionMNIST, dir, Test)
	path := filepath.Join(t.TempDir(), "t10k-images-idx3-ubyte.gz")
	if err := WriteIDX(path, set.H, set.W, set.Pixels, set.Labels); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, LabelsBeside(path)} {
		published := filepath.Join(Folder(dir, FashionMNIST), filepath.Base(name))
		if !bytes.Equal(gunzipped(t, name), gunzipped(t, published)) {
			t.Errorf("%s differs from the real one", filepath.Base(name))
		}
	}
}

func TestWriteIDXRefusesOtherCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a-images-idx3-ubyte")
	if err := WriteIDX(path, 1, 3, make([]uint8, 6), make([]uint8, 3)); err == nil {
		t.Error("three labels for two images: no error")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("left a file")
	}
}

func TestIsIDX(t *testing.T) {
	for path, want := range map[string]bool{
		"a/train-images-idx3-ubyte": true, "t10k-images-idx3-ubyte.gz": true,
		"train-labels-idx1-ubyte.gz": false, "images-idx3-ubyte.png": false, "a.gz": false,
	} {
		if IsIDX(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func gunzipped(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
