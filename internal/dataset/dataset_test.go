package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sharedData is the folder of real data beside the repository. Skips where it is not.
func sharedData(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(dir); parent != dir; dir, parent = parent, filepath.Dir(parent) {
		if data := filepath.Join(parent, "shared", "data"); isDir(data) {
			return data
		}
	}
	t.Skip("no shared/data beside the repository")
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func mustOpen(t *testing.T, name, dir string, split Split) *Set {
	t.Helper()
	s, err := Open(name, dir, split)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tiny is two 2x3 images of two channels; pixel values say where they stand.
func tiny(t *testing.T) *Set {
	t.Helper()
	pixels := make([]uint8, 2*2*3*2)
	for i := range pixels {
		pixels[i] = uint8(10 * (i + 1))
	}
	s, err := newSet("tiny", []string{"a", "b"}, 2, 3, 2, pixels, []uint8{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFillPadsThenScales(t *testing.T) {
	s := tiny(t)
	const size = 5
	got := make([]float32, 2*size*size*2)
	for i := range got {
		got[i] = 99 // Fill must overwrite all of it
	}
	s.Fill(got, []int{1, 0}, size, -0.5, 0.5, nil)
	for k, i := range []int{1, 0} {
		for y := range size {
			for x := range size {
				for c := range 2 {
					pixel := 0.0
					if y >= 1 && y < 3 && x >= 1 && x < 4 { // (5-2)/2 = 1, (5-3)/2 = 1
						pixel = float64(s.Pixels[i*12+(y-1)*6+(x-1)*2+c])
					}
					want := float32(pixel/255 - 0.5)
					if v := got[((k*size+y)*size+x)*2+c]; v != want {
						t.Errorf("image %d at (%d,%d), channel %d: %v, want %v", i, y, x, c, v, want)
					}
				}
			}
		}
	}
}

func TestFillRanges(t *testing.T) {
	s, err := newSet("bw", []string{"a"}, 1, 2, 1, []uint8{0, 255}, []uint8{0})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]float64{{0, 1}, {-1, 1}, {-0.5, 0.5}, {3, -7}} {
		got := make([]float32, 2*2)
		s.Fill(got, []int{0}, 2, r[0], r[1], nil)
		lo, hi := float32(r[0]), float32(r[1])
		if diff := cmp.Diff([]float32{lo, hi, lo, lo}, got); diff != "" {
			t.Errorf("range %v: %s", r, diff)
		}
	}
}

func TestFillFlips(t *testing.T) {
	s := tiny(t)
	plain, flipped := make([]float32, 2*9*2), make([]float32, 2*9*2)
	s.Fill(plain, []int{0, 1}, 3, 0, 255, nil)
	s.Fill(flipped, []int{0, 1}, 3, 0, 255, func(i int) Move { return Move{Mirror: i == 1} })
	if diff := cmp.Diff(plain[:18], flipped[:18]); diff != "" {
		t.Errorf("image 0 is not to be mirrored: %s", diff)
	}
	for y := range 3 {
		for x := range 3 {
			for c := range 2 {
				if got, want := flipped[18+(y*3+x)*2+c], plain[18+(y*3+2-x)*2+c]; got != want {
					t.Errorf("(%d,%d,%d) = %v, want %v", y, x, c, got, want)
				}
			}
		}
	}
}

func TestHead(t *testing.T) {
	s := tiny(t)
	head := s.Head(1)
	if head.N != 1 || len(head.Pixels) != 12 || len(head.Labels) != 1 || head.Hash == s.Hash {
		t.Errorf("head is %+v", head)
	}
	if s.Head(0) != s || s.Head(2) != s || s.Head(3) != s {
		t.Error("head of all images is not the set itself")
	}
}

func TestHashFollowsContent(t *testing.T) {
	s := tiny(t)
	seen := map[string]string{s.Hash: "itself"}
	for name, change := range map[string]func(s *Set){
		"a pixel": func(s *Set) { s.Pixels = slices.Clone(s.Pixels); s.Pixels[3]++ },
		"a label": func(s *Set) { s.Labels = []uint8{0, 0} },
		"a shape": func(s *Set) { s.H, s.W = s.W, s.H },
	} {
		other := *s
		change(&other)
		h := other.hash()
		if same, ok := seen[h]; ok {
			t.Errorf("%s changed, the hash is that of %s", name, same)
		}
		seen[h] = name
	}
	if tiny(t).Hash != s.Hash {
		t.Error("equal content, other hash")
	}
}

func TestCheckSize(t *testing.T) {
	if err := tiny(t).CheckSize(3); err != nil {
		t.Error(err)
	}
	if err := tiny(t).CheckSize(2); err == nil {
		t.Error("a 2x3 image does not fit 2x2, no error")
	}
}

func TestOrder(t *testing.T) {
	a := Order(1000, 42, 3)
	if diff := cmp.Diff(a, Order(1000, 42, 3)); diff != "" {
		t.Error("the same seed and epoch gave another order")
	}
	for _, other := range [][]int{Order(1000, 43, 3), Order(1000, 42, 4)} {
		if slices.Equal(a, other) {
			t.Error("another seed or epoch gave the same order")
		}
	}
	slices.Sort(a)
	for i, v := range a {
		if i != v {
			t.Fatalf("not every index once: %d at %d", v, i)
		}
	}
}

// TestRealFashion compares the real files with figures from the data set's own
// README (6,000 and 1,000 images a class) and its known mean 0.2860.
func TestRealFashion(t *testing.T) {
	dir := sharedData(t)
	for split, n := range map[Split]int{Train: 60000, Test: 10000} {
		s := mustOpen(t, FashionMNIST, dir, split)
		if s.N != n || s.H != 28 || s.W != 28 || s.C != 1 {
			t.Errorf("%s is %d images of %dx%dx%d", split, s.N, s.H, s.W, s.C)
		}
		var count [10]int
		for _, l := range s.Labels {
			count[l]++
		}
		for l, c := range count {
			if c != n/10 {
				t.Errorf("%s: %d images of class %d, want %d", split, c, l, n/10)
			}
		}
		var sum float64
		for _, p := range s.Pixels {
			sum += float64(p)
		}
		if mean := sum / float64(len(s.Pixels)) / 255; mean < 0.2855 || mean > 0.2875 {
			t.Errorf("%s: mean %v, want about 0.286", split, mean)
		}
	}
}

func TestRealCIFARPart(t *testing.T) {
	part := filepath.Join(sharedData(t), "cifar-10-part")
	dir := t.TempDir()
	if err := os.Symlink(part, filepath.Join(dir, CIFAR10)); err != nil {
		t.Fatal(err)
	}
	for split, n := range map[Split]int{Train: 1500, Test: 500} {
		s := mustOpen(t, CIFAR10, dir, split)
		if s.N != n || s.H != 32 || s.W != 32 || s.C != 3 {
			t.Errorf("%s is %d images of %dx%dx%d", split, s.N, s.H, s.W, s.C)
		}
		raw, err := os.ReadFile(filepath.Join(part, batchNames(split)[0]))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range [][4]int{{0, 0, 0, 0}, {n - 1, 31, 30, 2}, {77, 5, 9, 1}} {
			i, y, x, c := at[0], at[1], at[2], at[3]
			got := s.Pixels[((i*32+y)*32+x)*3+c]
			if want := raw[i*3073+1+c*1024+y*32+x]; got != want {
				t.Errorf("%s image %d (%d,%d) channel %d: %d, want %d", split, i, y, x, c, got, want)
			}
		}
	}
}

// A moved image leaves the square on one side; black comes in on the other.
func TestFillMoves(t *testing.T) {
	s, err := newSet("toy", []string{"one"}, 2, 3, 1, []uint8{1, 2, 3, 4, 5, 6}, []uint8{0})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		move Move
		want []float32
	}{
		{Move{}, []float32{1, 2, 3, 4, 5, 6, 0, 0, 0}},
		{Move{Down: 1}, []float32{0, 0, 0, 1, 2, 3, 4, 5, 6}},
		{Move{Down: 2, Right: -1}, []float32{0, 0, 0, 0, 0, 0, 2, 3, 0}},
		{Move{Down: -1, Right: 1, Mirror: true}, []float32{0, 6, 5, 0, 0, 0, 0, 0, 0}},
		{Move{Right: 9}, make([]float32, 9)},
	} {
		got := make([]float32, 9)
		s.Fill(got, []int{0}, 3, 0, 255, func(int) Move { return c.move })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.move, diff)
		}
	}
}
