package pictures

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"diffuse/internal/fault"
	"diffuse/internal/plot"
	"diffuse/internal/tensorfile"

	"github.com/google/go-cmp/cmp"
)

func mustOpen(t testing.TB, path string, o Options) *Pictures {
	t.Helper()
	p, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func readAll(t testing.TB, p *Pictures) []uint8 {
	t.Helper()
	dst := make([]uint8, p.N*p.Size())
	if err := p.Read(dst, 0); err != nil {
		t.Fatal(err)
	}
	return dst
}

// TestFormsAsPillow compares every form with Pillow's convert("RGB"): exactly but
// for JPEGs, where two inverse cosine transforms may round apart.
func TestFormsAsPillow(t *testing.T) {
	want, err := tensorfile.OpenNPY("testdata/forms.npy")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	p := mustOpen(t, "testdata/forms", Options{})
	if !cmp.Equal([]int{p.N, p.H, p.W, p.C}, want.Shape()) {
		t.Fatalf("%d pictures of %d×%d×%d, not %v", p.N, p.H, p.W, p.C, want.Shape())
	}
	got, pillow := readAll(t, p), make([]uint8, p.N*p.Size())
	if err := want.ReadBytes(pillow, 0); err != nil {
		t.Fatal(err)
	}
	for i, name := range p.source.(*folder).names {
		largest, sum := 0, 0
		for j := i * p.Size(); j < (i+1)*p.Size(); j++ {
			d := max(int(got[j])-int(pillow[j]), int(pillow[j])-int(got[j]))
			largest, sum = max(largest, d), sum+d
		}
		allowed := 0
		if ext := filepath.Ext(name); ext == ".jpg" || ext == ".jpeg" {
			allowed = 2
		}
		mean := float64(sum) / float64(p.Size())
		if largest > allowed || mean > 0.1 {
			t.Errorf("%s differs from Pillow by up to %d, %.3f in the mean", name, largest, mean)
		}
	}
}

// save writes a PNG.
func save(t testing.TB, dir, name string, picture image.Image) {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// grayOf is a gray picture whose pixels are v, v+1, ...
func grayOf(h, w int, v uint8) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, w, h))
	for i := range g.Pix {
		g.Pix[i] = v + uint8(i)
	}
	return g
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, "b.PNG", grayOf(2, 3, 10))
	save(t, dir, "a.png", grayOf(2, 3, 20))
	save(t, dir, "c.jpg", grayOf(2, 3, 30)) // a PNG all the same
	for _, name := range []string{".DS_Store", "._a.png", "Thumbs.db", "notes.txt", "a.npy"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("no picture"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := mustOpen(t, dir, Options{})
	if p.N != 3 || p.H != 2 || p.W != 3 || p.C != 1 {
		t.Errorf("%d pictures of %d×%d×%d", p.N, p.H, p.W, p.C)
	}
	want := []uint8{20, 21, 22, 23, 24, 25, 10, 11, 12, 13, 14, 15, 30, 31, 32, 33, 34, 35}
	if diff := cmp.Diff(want, readAll(t, p)); diff != "" {
		t.Error(diff)
	}
	first := mustOpen(t, dir, Options{N: 2})
	if diff := cmp.Diff(want[:12], readAll(t, first)); first.N != 2 || diff != "" {
		t.Errorf("the first two: %d, %s", first.N, diff)
	}
	part := make([]uint8, 6)
	if err := p.Read(part, 1); err != nil || !cmp.Equal(part, want[6:12]) {
		t.Errorf("the second: %v, %v", part, err)
	}
	for _, c := range []struct{ n, lo int }{{6, 3}, {12, 2}, {6, -1}, {5, 0}} {
		if err := p.Read(make([]uint8, c.n), c.lo); err == nil {
			t.Errorf("%d bytes from picture %d: no error", c.n, c.lo)
		}
	}
}

// TestColourAmongGray makes a gray picture's channels equal where another has colour.
func TestColourAmongGray(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, "a.png", grayOf(1, 2, 7))
	colour := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	colour.SetNRGBA(0, 0, color.NRGBA{1, 2, 3, 255})
	colour.SetNRGBA(1, 0, color.NRGBA{4, 5, 6, 0}) // without alpha, not black
	save(t, dir, "b.png", colour)
	p := mustOpen(t, dir, Options{})
	if diff := cmp.Diff([]uint8{7, 7, 7, 8, 8, 8, 1, 2, 3, 4, 5, 6}, readAll(t, p)); p.C != 3 || diff != "" {
		t.Errorf("%d channels: %s", p.C, diff)
	}
}

// TestSixteenBits takes the upper byte. Pillow does so for colour; it clips 16-bit
// gray to 255, so that nearly all of it is white, which is not copied.
func TestSixteenBits(t *testing.T) {
	gray16, rgb16, alpha16 := image.NewGray16(image.Rect(0, 0, 1, 1)), image.NewRGBA64(image.Rect(0, 0, 1, 1)), image.NewNRGBA64(image.Rect(0, 0, 1, 1))
	gray16.SetGray16(0, 0, color.Gray16{0x12ff})
	rgb16.SetRGBA64(0, 0, color.RGBA64{0x12ff, 0x34ff, 0x56ff, 0xffff})
	alpha16.SetNRGBA64(0, 0, color.NRGBA64{0x12ff, 0x34ff, 0x56ff, 0x8000})
	for _, c := range []struct {
		picture image.Image
		want    []uint8
	}{{gray16, []uint8{0x12}}, {rgb16, []uint8{0x12, 0x34, 0x56}}, {alpha16, []uint8{0x12, 0x34, 0x56}}} {
		dir := t.TempDir()
		save(t, dir, "a.png", c.picture)
		if got := readAll(t, mustOpen(t, dir, Options{})); !cmp.Equal(got, c.want) {
			t.Errorf("%T: %v, not %v", c.picture, got, c.want)
		}
	}
}

// TestArrayAsFolder scores what diffuse writes as an array, (N,C,H,W) of floats in
// the net's range, as it does the PNGs that diffuse writes of the same floats.
func TestArrayAsFolder(t *testing.T) {
	const n, h, w, c = 5, 4, 5, 3
	for _, scale := range [][2]float64{{-0.5, 0.5}, {0, 1}, {-1, 1}} {
		nhwc, nchw := make([]float32, n*h*w*c), make([]float32, n*h*w*c)
		for i := range nhwc {
			v := float32(scale[0] + (scale[1]-scale[0])*(1.2*math.Mod(float64(i)*0.618, 1)-0.1)) // a little outside too
			nhwc[i] = v
			nchw[(i/(h*w*c)*c+i%c)*h*w+i/c%(h*w)] = v
		}
		dir := t.TempDir()
		im := plot.Images{Pix: plot.ToBytes(nhwc, scale[0], scale[1]), N: n, H: h, W: w, C: c}
		if err := plot.WriteEach(filepath.Join(dir, "png"), im, func(i int) string { return fmt.Sprintf("%06d", i) }); err != nil {
			t.Fatal(err)
		}
		first, last := filepath.Join(dir, "nchw.npy"), filepath.Join(dir, "nhwc.npy")
		if err := tensorfile.WriteNPY(first, []int{n, c, h, w}, nchw); err != nil {
			t.Fatal(err)
		}
		if err := tensorfile.WriteNPY(last, []int{n, h, w, c}, nhwc); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{filepath.Join(dir, "png"), first, last} {
			p := mustOpen(t, path, Options{Range: scale})
			if diff := cmp.Diff(im.Pix, readAll(t, p)); diff != "" {
				t.Errorf("%v, %s: %s", scale, path, diff)
			}
			if got := mustHash(t, p); got != hashOf(im.Pix, n, h, w, c) {
				t.Errorf("%v, %s: hash %s", scale, path, got)
			}
		}
	}
}

func mustHash(t testing.TB, p *Pictures) string {
	t.Helper()
	hash, err := p.Hash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// hashOf is the definition of Hash.
func hashOf(pix []uint8, dims ...int) string {
	var b []byte
	for _, d := range dims {
		b = binary.LittleEndian.AppendUint64(b, uint64(d))
	}
	sum := sha256.Sum256(append(b, pix...))
	return hex.EncodeToString(sum[:])
}

// TestHash is the same before, amid and after a pass, however it goes.
func TestHash(t *testing.T) {
	dir := t.TempDir()
	var pix []uint8
	for i := range 7 {
		g := grayOf(2, 2, uint8(10*i))
		save(t, dir, fmt.Sprintf("%d.png", i), g)
		pix = append(pix, g.Pix...)
	}
	want := hashOf(pix, 7, 2, 2, 1)
	for _, reads := range [][][2]int{{}, {{0, 7}}, {{0, 2}, {2, 3}, {5, 2}}, {{0, 3}, {1, 4}, {0, 2}, {5, 2}}, {{3, 2}, {0, 4}}, {{6, 1}}} {
		p := mustOpen(t, dir, Options{})
		for _, r := range reads {
			if err := p.Read(make([]uint8, 4*r[1]), r[0]); err != nil {
				t.Fatal(err)
			}
		}
		if got := mustHash(t, p); got != want || mustHash(t, p) != want {
			t.Errorf("%v: hash %s, not %s", reads, got, want)
		}
	}
	if got := mustHash(t, mustOpen(t, dir, Options{N: 3})); got != hashOf(pix[:12], 3, 2, 2, 1) {
		t.Errorf("of the first three: %s", got)
	}
}

func TestHashStops(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, "a.png", grayOf(1, 1, 0))
	p := mustOpen(t, dir, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Hash(ctx); err == nil || fault.Code(err) == int(fault.Data) {
		t.Errorf("cancelled: %v", err)
	}
}
