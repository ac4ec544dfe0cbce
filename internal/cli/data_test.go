package cli

import (
	"bytes"
	"encoding/json"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/dataset"
	"diffuse/internal/fault"
)

// runData runs diffuse data and returns its code and what it wrote.
func runData(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	stdio, _, outBuf, errBuf := Test()
	code = Execute(stdio, append([]string{"data"}, args...))
	return code, outBuf.String(), errBuf.String()
}

// sharedFashion is the folder of the real files. Skips where it is not there.
func sharedFashion(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		data := filepath.Join(parent, "shared", "data", dataset.FashionMNIST)
		if _, err := os.Stat(data); err == nil {
			return data
		}
	}
	t.Skip("no shared/data/fashion-mnist beside the repository")
	return ""
}

func TestDataShowExtract(t *testing.T) {
	out := filepath.Join(t.TempDir(), "sheet.png")
	code, text, errOut := runData(t, "show", dataset.FashionExtract, "--out", out, "--n", "3", "--split", "test", "--json")
	if code != 0 {
		t.Fatal(errOut)
	}
	var shown shownSet
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.Images != 500 || len(shown.Classes) != 10 || shown.Classes[9] != (shownClass{9, "ankle boot", 50}) || shown.Out != out {
		t.Errorf("answer %+v", shown)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sheet, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if size := sheet.Bounds().Size(); size.X != 3*28+4*2 || size.Y != 10*28+11*2 { // gaps of 2
		t.Errorf("sheet of %v", size)
	}
	// Row 4, column 2: the third coat, which is image 24 of the extract.
	set, err := dataset.Open(dataset.FashionExtract, "", dataset.Test)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range [][2]int{{14, 14}, {5, 20}, {27, 0}} {
		x, y := at[0], at[1]
		got, _, _, _ := sheet.At(2+2*30+x, 2+4*30+y).RGBA()
		if want := set.Pixels[24*784+y*28+x]; uint8(got>>8) != want {
			t.Errorf("pixel (%d,%d) is %d, want %d", x, y, got>>8, want)
		}
	}
}

func TestContactSheetWithFewImages(t *testing.T) {
	set := &dataset.Set{N: 3, H: 1, W: 1, C: 1, Pixels: []uint8{10, 20, 30}, Labels: []uint8{1, 1, 0}, Classes: []string{"a", "b", "c"}}
	sheet := contactSheet(set, 2)
	if want := []uint8{30, 0, 10, 20, 0, 0}; sheet.N != 6 || !bytes.Equal(sheet.Pix, want) {
		t.Errorf("sheet %v, want %v", sheet.Pix, want)
	}
}

func TestDataRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args, want string
		code       fault.Kind
	}{
		{"fetch", "data fetch needs the NAME of a data set", fault.Usage},
		{"fetch fashion-mnits", `no data set "fashion-mnits", did you mean fashion-mnist?`, fault.Usage},
		{"fetch fashion-mnist nothing", `no data set "nothing"`, fault.Usage},
		{"fetch fashion-mnist --mirror example.org", "--mirror", fault.Usage},
		{"fetch fashion-mnist --mirror file:///tmp", "--mirror", fault.Usage},
		{"verify mnist", `no data set "mnist"`, fault.Usage},
		{"show fashion-extract --n 0", "--n: must be from 1", fault.Usage},
		{"show fashion-extract --split both", "--split: must be train or test", fault.Usage},
		{"show fashion-extract --out sheet.gif", "must end in .png", fault.Usage},
		{"show cifar-10", "data/cifar-10 does not hold cifar-10", fault.Data},
		{"verify cifar-10", "diffuse data fetch cifar-10", fault.Data},
		{"shwo", `unknown command "data shwo", did you mean show?`, fault.Usage},
	} {
		code, out, errOut := runData(t, strings.Fields(c.args)...)
		if code != int(c.code) || !strings.Contains(errOut, c.want) || out != "" {
			t.Errorf("data %s: code %d, out %q, err %q", c.args, code, out, errOut)
		}
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) != 0 {
		t.Errorf("refused commands left %v (%v)", entries, err)
	}
}

func TestDataFetchWrongMirror(t *testing.T) {
	mirror := httptest.NewServer(http.NotFoundHandler())
	defer mirror.Close()
	code, _, errOut := runData(t, "fetch", dataset.FashionMNIST, "--data", t.TempDir(), "--mirror", mirror.URL, "--json")
	var answer struct {
		Error, Hint string
		Code        int
	}
	lines := strings.Split(strings.TrimSpace(errOut), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &answer); err != nil {
		t.Fatalf("%v: %s", err, errOut)
	}
	if code != int(fault.Data) || answer.Code != code || !strings.Contains(answer.Error, "404") || !strings.Contains(answer.Hint, "--mirror") {
		t.Errorf("code %d, answer %+v", code, answer)
	}
}

func TestDataFetchExtract(t *testing.T) {
	code, out, errOut := runData(t, "fetch", dataset.FashionExtract)
	if code != 0 || out != "fashion-extract is part of the program\n" {
		t.Errorf("code %d, out %q, err %q", code, out, errOut)
	}
}

// TestDataFetchVerifyShow walks the way of a newcomer, with a mirror on the loopback.
func TestDataFetchVerifyShow(t *testing.T) {
	files := http.FileServer(http.Dir(sharedFashion(t)))
	mirror := httptest.NewServer(files)
	defer mirror.Close()
	data := t.TempDir()
	fetch := []string{"fetch", dataset.FashionMNIST, "--data", data, "--mirror", mirror.URL, "--json"}
	for _, want := range []bool{true, false} { // the second fetch finds everything there
		code, out, errOut := runData(t, fetch...)
		if code != 0 {
			t.Fatal(errOut)
		}
		var sets []fetchedSet
		if err := json.Unmarshal([]byte(out), &sets); err != nil {
			t.Fatal(err)
		}
		if len(sets) != 1 || len(sets[0].Files) != 4 {
			t.Fatalf("answer %+v", sets)
		}
		for _, f := range sets[0].Files {
			if f.Fetched != want {
				t.Errorf("%+v, want fetched %v", f, want)
			}
		}
		if want != strings.Contains(errOut, " from "+mirror.URL) {
			t.Errorf("progress %q", errOut)
		}
	}
	code, out, errOut := runData(t, "verify", "--data", data, "--json")
	if code != 0 {
		t.Fatal(errOut)
	}
	var verified []struct {
		Name     string
		Official bool
		Train    struct{ Images int }
	}
	if err := json.Unmarshal([]byte(out), &verified); err != nil {
		t.Fatal(err)
	}
	if len(verified) != 2 || !verified[0].Official || verified[0].Train.Images != 60000 || verified[1].Name != dataset.FashionExtract {
		t.Errorf("answer %+v", verified)
	}
	sheet := filepath.Join(data, "sheet.png")
	code, out, errOut = runData(t, "show", dataset.FashionMNIST, "--data", data, "--out", sheet)
	if code != 0 || !strings.Contains(out, "9      ankle boot   6000") {
		t.Errorf("code %d, out %q, err %q", code, out, errOut)
	}
	// A byte turned over on the disk.
	path := filepath.Join(data, dataset.FashionMNIST, "t10k-labels-idx1-ubyte.gz")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[2000] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := runData(t, "verify", dataset.FashionMNIST, "--data", data); code != int(fault.Data) || !strings.Contains(errOut, "t10k-labels-idx1-ubyte.gz has MD5") {
		t.Errorf("code %d, err %q", code, errOut)
	}
	if code, _, errOut := runData(t, fetch...); code != 0 {
		t.Errorf("the damaged file is not replaced: %s", errOut)
	}
}
