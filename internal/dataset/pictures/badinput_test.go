package pictures

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/fault"
	"diffuse/internal/tensorfile"
)

// wantError demands an error of a kind that says all of want.
func wantError(t *testing.T, err error, kind fault.Kind, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if fault.Code(err) != int(kind) {
		t.Errorf("%v: code %d, not %d", err, fault.Code(err), kind)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// encoded are small pictures in their files' bytes.
func encoded(t testing.TB) (pngBytes, jpegBytes []byte) {
	t.Helper()
	dir := t.TempDir()
	save(t, dir, "a.png", grayOf(2, 3, 0))
	pngBytes, err := os.ReadFile(filepath.Join(dir, "a.png"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, grayOf(2, 3, 0), nil); err != nil {
		t.Fatal(err)
	}
	return pngBytes, b.Bytes()
}

// animation is a GIF of so many frames; transparent ones have a clear pixel.
func animation(t testing.TB, frames int, transparent bool, size image.Rectangle) []byte {
	t.Helper()
	g := &gif.GIF{Config: image.Config{Width: 3, Height: 2}}
	first := color.Color(color.Black)
	if transparent {
		first = color.Transparent
	}
	for range frames {
		frame := image.NewPaletted(size, color.Palette{first, color.White})
		frame.Pix[1] = 1
		g.Image = append(g.Image, frame)
		g.Delay = append(g.Delay, 1)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBadPicture has one bad file among good ones.
func TestBadPicture(t *testing.T) {
	goodPNG, goodJPEG := encoded(t)
	flipped := bytes.Clone(goodPNG)
	flipped[len(flipped)-20] ^= 1
	huge := bytes.Clone(goodPNG)
	copy(huge[16:], "\x00\x00\xff\xff\x00\x00\xff\xff")
	whole := image.Rect(0, 0, 3, 2)
	for _, c := range []struct {
		name    string
		file    string
		content []byte
		want    string
		atOpen  bool
	}{
		{"empty", "bad.png", nil, `it begins with ""`, true},
		{"text", "bad.png", []byte("hello, world"), `is no PNG, JPEG, GIF or BMP: it begins with "hell"`, true},
		{"HTML", "bad.jpg", []byte("<!DOCTYPE html>"), "is no PNG", true},
		{"another kind inside", "bad.jpg", []byte("RIFF\x00\x00\x00\x00WEBP"), "is no PNG", true},
		{"cut off magic", "bad.png", goodPNG[:6], "is cut off", true},
		{"cut off header", "bad.png", goodPNG[:20], "is cut off", true},
		{"header damaged", "bad.png", huge, "checksum", true},
		{"cut off PNG", "bad.png", goodPNG[:len(goodPNG)-20], "is cut off", false},
		{"damaged PNG", "bad.png", flipped, "png", false},
		{"cut off JPEG", "bad.jpg", goodJPEG[:len(goodJPEG)-10], "is cut off", false},
		{"cut off JPEG header", "bad.jpg", goodJPEG[:30], "is cut off", true},
		{"JPEG of nothing", "bad.jpg", []byte("\xff\xd8\xff\xd9"), "JPEG", true},
		{"animation", "bad.gif", animation(t, 3, false, whole), "animation of 3 frames", false},
		{"transparent GIF", "bad.gif", animation(t, 1, true, whole), "transparent pixels", false},
		{"GIF of a smaller frame", "bad.gif", animation(t, 1, false, image.Rect(0, 0, 2, 2)), "frame smaller than itself", false},
		{"BMP without pixels", "bad.bmp", []byte("BM"), "is cut off", true},
		{"kind that is not read", "bad.webp", []byte("RIFF"), "pictures of this kind are not read", true},
		{"kind that is not read", "bad.TIFF", []byte("II"), "pictures of this kind are not read", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for i := range 20 {
				save(t, dir, fmt.Sprintf("a%02d.png", i), grayOf(2, 3, 0))
				save(t, dir, fmt.Sprintf("c%02d.png", i), grayOf(2, 3, 0))
			}
			if err := os.WriteFile(filepath.Join(dir, c.file), c.content, 0o644); err != nil {
				t.Fatal(err)
			}
			p, err := Open(dir, Options{})
			if c.atOpen {
				wantError(t, err, fault.Data, c.want, filepath.Join(dir, c.file))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, p.Read(make([]uint8, p.N*p.Size()), 0), fault.Data, c.want, filepath.Join(dir, c.file))
			if _, err := p.Hash(t.Context()); err == nil {
				t.Error("a hash of pictures that cannot be read")
			}
		})
	}
}

// TestFirstBadPicture names the first of many, whichever core meets it.
func TestFirstBadPicture(t *testing.T) {
	good, _ := encoded(t)
	dir := t.TempDir()
	for i := range 50 {
		content := good
		if i >= 20 {
			content = good[:len(good)-20]
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.png", i)), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := mustOpen(t, dir, Options{})
	for range 20 {
		wantError(t, p.Read(make([]uint8, p.N*p.Size()), 0), fault.Data, "20.png: is cut off")
	}
}

func TestBadFolder(t *testing.T) {
	t.Run("no pictures", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, Options{})
		wantError(t, err, fault.Data, dir, "holds no pictures", ".png")
	})
	t.Run("folders of pictures", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "0"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, Options{})
		wantError(t, err, fault.Data, "holds no pictures")
		if want := filepath.Join(dir, "0"); !strings.Contains(fault.Hint(err), want) {
			t.Errorf("hint %q does not name %s", fault.Hint(err), want)
		}
	})
	t.Run("mixed sizes", func(t *testing.T) {
		dir := t.TempDir()
		save(t, dir, "a.png", grayOf(2, 3, 0))
		save(t, dir, "b.png", grayOf(3, 2, 0))
		_, err := Open(dir, Options{})
		wantError(t, err, fault.Data, "b.png: has 2×3 pixels, a.png has 3×2")
	})
	t.Run("too few", func(t *testing.T) {
		dir := t.TempDir()
		save(t, dir, "a.png", grayOf(2, 3, 0))
		for _, n := range []int{2, -1} {
			_, err := Open(dir, Options{N: n})
			wantError(t, err, fault.Data, dir, fmt.Sprintf("holds 1 pictures, not %d", n))
		}
	})
	t.Run("a folder called like a picture", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "a.png"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, Options{})
		wantError(t, err, fault.Data, filepath.Join(dir, "a.png"))
	})
	t.Run("a link to nowhere", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink("nowhere", filepath.Join(dir, "a.png")); err != nil {
			t.Skip(err)
		}
		_, err := Open(dir, Options{})
		wantError(t, err, fault.Data, filepath.Join(dir, "a.png"))
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v does not wrap fs.ErrNotExist", err)
		}
	})
	t.Run("not permitted", func(t *testing.T) {
		dir := t.TempDir()
		save(t, dir, "a.png", grayOf(2, 3, 0))
		if err := os.Chmod(filepath.Join(dir, "a.png"), 0); err != nil {
			t.Fatal(err)
		}
		if f, err := os.Open(filepath.Join(dir, "a.png")); err == nil {
			f.Close()
			t.Skip("this user may read everything")
		}
		_, err := Open(dir, Options{})
		wantError(t, err, fault.Data, filepath.Join(dir, "a.png"))
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v does not wrap fs.ErrPermission", err)
		}
	})
	t.Run("missing", func(t *testing.T) {
		_, err := Open(filepath.Join(t.TempDir(), "nowhere"), Options{})
		wantError(t, err, fault.Data, "nowhere")
	})
	t.Run("neither", func(t *testing.T) {
		dir := t.TempDir()
		save(t, dir, "a.png", grayOf(2, 3, 0))
		_, err := Open(filepath.Join(dir, "a.png"), Options{})
		wantError(t, err, fault.Data, "a.png: is neither a folder nor a .npy file")
	})
	t.Run("too large", func(t *testing.T) {
		dir := t.TempDir()
		save(t, dir, "a.png", grayOf(1, maxPixels+1, 0))
		_, err := Open(dir, Options{})
		wantError(t, err, fault.Data, "a.png: has 16777217×1 pixels, there may be")
	})
	t.Run("changed after it was opened", func(t *testing.T) {
		dir := t.TempDir()
		save(t, dir, "a.png", grayOf(2, 3, 0))
		p := mustOpen(t, dir, Options{})
		save(t, dir, "a.png", grayOf(3, 2, 0))
		wantError(t, p.Read(make([]uint8, 6), 0), fault.Data, "a.png: has 2×3 pixels, not 3×2")
	})
}

func TestBadArray(t *testing.T) {
	dir := t.TempDir()
	write := func(shape []int, change func(x []float32)) string {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		if change != nil {
			change(x)
		}
		path := filepath.Join(dir, "x.npy")
		if err := tensorfile.WriteNPY(path, shape, x); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unit := Options{Range: [2]float64{0, 1}}
	for _, c := range []struct {
		name  string
		shape []int
		o     Options
		kind  fault.Kind
		want  string
	}{
		{"flat", []int{4}, unit, fault.Data, "shape [4] is none of"},
		{"one picture", []int{4, 5}, unit, fault.Data, "shape [4 5] is none of"},
		{"five dimensions", []int{1, 1, 1, 4, 4}, unit, fault.Data, "is none of"},
		{"two channels", []int{1, 4, 4, 2}, unit, fault.Data, "is none of"},
		{"four channels", []int{1, 4, 4, 4}, unit, fault.Data, "is none of"},
		{"channels at both ends", []int{2, 3, 4, 3}, unit, fault.Data, "may be (n,c,h,w) or (n,h,w,c)"},
		{"no pictures", []int{0, 4, 4, 3}, unit, fault.Data, "holds no pictures"},
		{"no pixels", []int{2, 0, 4, 3}, unit, fault.Data, "has 4×0 pixels"},
		{"too large", []int{1, 4097, 4097}, unit, fault.Data, "has 4097×4097 pixels"},
		{"no range", []int{1, 4, 4, 3}, Options{}, fault.Usage, "whose range must be given"},
		{"range backwards", []int{1, 4, 4, 3}, Options{Range: [2]float64{1, 0}}, fault.Usage, "does not increase"},
		{"range not finite", []int{1, 4, 4, 3}, Options{Range: [2]float64{0, math.Inf(1)}}, fault.Usage, "does not increase"},
		{"range of NaN", []int{1, 4, 4, 3}, Options{Range: [2]float64{0, math.NaN()}}, fault.Usage, "does not increase"},
		{"too few", []int{2, 4, 4, 3}, Options{N: 3, Range: unit.Range}, fault.Data, "holds 2 pictures, not 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(write(c.shape, nil), c.o)
			wantError(t, err, c.kind, c.want)
		})
	}
	for _, c := range []struct {
		name  string
		value float64
		want  string
	}{
		{"NaN", math.NaN(), "picture 2 has a pixel that is NaN"},
		{"infinity", math.Inf(1), "picture 2 has a pixel +Inf, far outside"},
		{"bytes as floats", 255, "picture 2 has a pixel 255, far outside of the range [0, 1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustOpen(t, write([]int{4, 2, 2}, func(x []float32) { x[2*4+1], x[3*4] = float32(c.value), float32(c.value) }), unit)
			wantError(t, p.Read(make([]uint8, 16), 0), fault.Data, "x.npy", c.want)
		})
	}
	whole, err := os.ReadFile(write([]int{2, 4, 4}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"cut off", whole[:len(whole)-1], "takes 128 bytes, there are 127"},
		{"text", []byte("hello, world"), "is no npy file"},
		{"objects", bytes.Replace(whole, []byte("'<f4'"), []byte("'|O' "), 1), "not understood"},
		{"whole numbers", bytes.Replace(whole, []byte("<f4"), []byte("<i4"), 1), `elements are "<i4"`},
		{"signed bytes", bytes.Replace(whole, []byte("<f4"), []byte("|i1"), 1), `elements are "|i1"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, "y.npy")
			if err := os.WriteFile(path, c.content, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path, unit)
			wantError(t, err, fault.Data, path, c.want)
		})
	}
}

// FuzzDecode demands of any bytes an error or a picture, from each of the formats.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/forms/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	path := filepath.Join(f.TempDir(), "x")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		h, err := readHeader(path)
		if err != nil || h.h*h.w > 1<<16 {
			return
		}
		_ = decode(make([]uint8, h.h*h.w), path, h.h, h.w)
		_ = decode(make([]uint8, 3*h.h*h.w), path, h.h, h.w)
	})
}
