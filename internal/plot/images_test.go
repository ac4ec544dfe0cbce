package plot

import (
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestToBytes(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	got := ToBytes([]float32{-0.5, 0.5, 0, -7, 7, -0.498, nan, inf, -inf}, -0.5, 0.5)
	want := []uint8{0, 255, 128, 0, 255, 1, 0, 255, 0}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// ramp is images whose every byte differs from its neighbours.
func ramp(n, h, w, c int) Images {
	im := Images{make([]uint8, n*h*w*c), n, h, w, c}
	for i := range im.Pix {
		im.Pix[i] = uint8(i*37 + 11)
	}
	return im
}

// at is the byte of image i that grid g, of cols columns, shows.
func at(g image.Image, im Images, cols, gap, i, y, x, c int) uint8 {
	r, gr, b, _ := g.At(gap+i%cols*(im.W+gap)+x, gap+i/cols*(im.H+gap)+y).RGBA()
	return uint8([]uint32{r, gr, b}[c] >> 8)
}

func TestWriteGridKeepsPixels(t *testing.T) {
	for _, c := range []int{1, 3} {
		im := ramp(5, 4, 6, c)
		path := filepath.Join(t.TempDir(), "grid.png")
		if err := WriteGrid(path, im, 0); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		g, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		// Five images make 3 columns and 2 rows, 2 pixels apart.
		if got, want := g.Bounds().Size(), image.Pt(2+3*8, 2+2*6); got != want {
			t.Fatalf("grid of %v, want %v", got, want)
		}
		k := 0
		for i := range im.N {
			for y := range im.H {
				for x := range im.W {
					for ch := range c {
						if got := at(g, im, 3, 2, i, y, x, ch); got != im.Pix[k] {
							t.Fatalf("image %d (%d,%d) channel %d = %d, want %d", i, x, y, ch, got, im.Pix[k])
						}
						k++
					}
				}
			}
		}
		if got := g.At(0, 0); color.GrayModel.Convert(got) != (color.Gray{gapShade}) {
			t.Errorf("gap is %v", got)
		}
		if got := g.At(2+2*8+3, 2+6+2); color.GrayModel.Convert(got) != (color.Gray{gapShade}) {
			t.Errorf("missing image is %v", got)
		}
	}
}

func TestWriteEach(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	im := ramp(2, 3, 2, 1)
	if err := WriteEach(dir, im, func(i int) string { return string(rune('a' + i)) }); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "b.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(im.Pix[6:], g.(*image.Gray).Pix); d != "" {
		t.Error(d)
	}
}

func readGIF(t *testing.T, path string) *gif.GIF {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := gif.DecodeAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestWriteGIFGrayIsExact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gif")
	frames := []Images{ramp(4, 16, 16, 1), ramp(4, 16, 16, 1)}
	frames[1].Pix[0] = 250
	if err := WriteGIF(path, frames, 2, 5, 100); err != nil {
		t.Fatal(err)
	}
	g := readGIF(t, path)
	if d := cmp.Diff([]int{5, 100}, g.Delay); d != "" {
		t.Error(d)
	}
	for i, f := range frames {
		for k, want := range f.Pix {
			p := k % 256
			if got := at(g.Image[i], f, 2, gridGap, k/256, p/16, p%16, 0); got != want {
				t.Fatalf("frame %d byte %d = %d, want %d", i, k, got, want)
			}
		}
	}
}

// A smooth picture of far more than 256 colours stays within a few levels.
func TestWriteGIFColour(t *testing.T) {
	im := Images{make([]uint8, 64*64*3), 1, 64, 64, 3}
	for y := range 64 {
		for x := range 64 {
			copy(im.Pix[3*(64*y+x):], []uint8{uint8(4 * x), uint8(4 * y), uint8(2 * (x + y))})
		}
	}
	path := filepath.Join(t.TempDir(), "a.gif")
	if err := WriteGIF(path, []Images{im}, 1, 5, 5); err != nil {
		t.Fatal(err)
	}
	g := readGIF(t, path).Image[0]
	var sum float64
	for k, want := range im.Pix {
		p := k / 3
		d := float64(at(g, im, 1, gridGap, 0, p/64, p%64, k%3)) - float64(want)
		sum += d * d
	}
	// 16×16 boxes over this square are 16 levels wide: an error of 16/sqrt(12) =
	// 4.6 in two channels, less in the third, which is their mean.
	if rms := math.Sqrt(sum / float64(len(im.Pix))); rms > 6 {
		t.Errorf("root mean square error of %v levels", rms)
	}
}

// Few colours are kept as they are.
func TestMedianCutFewColours(t *testing.T) {
	g := image.NewNRGBA(image.Rect(0, 0, 3, 1))
	colours := []color.NRGBA{{10, 20, 30, 255}, {200, 20, 30, 255}, {10, 220, 90, 255}}
	for i, c := range colours {
		g.SetNRGBA(i, 0, c)
	}
	var h histogram
	h.add(g)
	palette, index := h.medianCut(256)
	if len(palette) != 3 {
		t.Fatalf("%d colours, want 3", len(palette))
	}
	for i, c := range colours {
		if got := palette[index[cellOf(g.Pix[4*i:])]]; got != c {
			t.Errorf("%v became %v", c, got)
		}
	}
}

func TestMalformedImagesAreErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for name, err := range map[string]error{
		"no images":      WriteGrid(path, Images{}, 0),
		"two channels":   WriteGrid(path, ramp(1, 2, 2, 2), 0),
		"short":          WriteGrid(path, Images{make([]uint8, 3), 1, 2, 2, 1}, 0),
		"no frames":      WriteGIF(path, nil, 0, 1, 1),
		"frames differ":  WriteGIF(path, []Images{ramp(1, 2, 2, 1), ramp(1, 2, 2, 3)}, 0, 1, 1),
		"short in a row": WriteEach(path, Images{make([]uint8, 3), 1, 2, 2, 1}, nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("something was written")
	}
}
