// Package plot turns numbers into files to look at: grids of images with exact
// pixels, animations, and curves.
package plot

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"

	"diffuse/internal/atomicfile"
)

// Images are N images of H×W pixels and C channels (1 is gray, 3 is RGB), back
// to back, channels last.
type Images struct {
	Pix        []uint8
	N, H, W, C int
}

// check says what is wrong with im, if anything is.
func (im Images) check() error {
	if im.N < 1 || im.H < 1 || im.W < 1 || im.C != 1 && im.C != 3 {
		return fmt.Errorf("cannot draw %d images of %d×%d pixels and %d channels", im.N, im.H, im.W, im.C)
	}
	if len(im.Pix) != im.N*im.H*im.W*im.C {
		return fmt.Errorf("%d images of %d×%d×%d need %d bytes, not %d", im.N, im.H, im.W, im.C, im.N*im.H*im.W*im.C, len(im.Pix))
	}
	return nil
}

// one is image i alone.
func (im Images) one(i int) Images {
	size := im.H * im.W * im.C
	return Images{im.Pix[i*size : (i+1)*size], 1, im.H, im.W, im.C}
}

// ToBytes scales x from [lo,hi] to 0…255, rounds, and clamps what lies outside;
// NaN becomes 0.
func ToBytes(x []float32, lo, hi float64) []uint8 {
	pix := make([]uint8, len(x))
	scale := 255 / (hi - lo)
	for i, v := range x {
		if y := math.Round((float64(v) - lo) * scale); y > 0 {
			pix[i] = uint8(min(y, 255))
		}
	}
	return pix
}

// gapShade is the gray between a grid's images: off black, so that dark images
// keep their edges.
const gapShade = 48

// Columns is how many columns a grid of n images has where nobody says: as near
// to a square as can be.
func Columns(n int) int { return int(math.Ceil(math.Sqrt(float64(n)))) }

// Grid lays the images out in rows of cols (0 is Columns), gap pixels apart and
// as many from the edge. Pixels are exact and nothing is written on them. im
// must be well formed; missing images leave the shade of the gap.
func Grid(im Images, cols, gap int) image.Image {
	if cols < 1 {
		cols = Columns(im.N)
	}
	rows := (im.N + cols - 1) / cols
	bounds := image.Rect(0, 0, gap+cols*(im.W+gap), gap+rows*(im.H+gap))
	at := func(i int) (x, y int) { return gap + i%cols*(im.W+gap), gap + i/cols*(im.H+gap) }
	size := im.H * im.W * im.C
	if im.C == 1 {
		g := image.NewGray(bounds)
		for i := range g.Pix {
			g.Pix[i] = gapShade
		}
		for i := range im.N {
			x, y := at(i)
			for r := range im.H {
				copy(g.Pix[g.PixOffset(x, y+r):], im.Pix[i*size+r*im.W:][:im.W])
			}
		}
		return g
	}
	g := image.NewNRGBA(bounds)
	for i := 0; i < len(g.Pix); i += 4 {
		copy(g.Pix[i:], []uint8{gapShade, gapShade, gapShade, 255})
	}
	for i := range im.N {
		x, y := at(i)
		for p := range im.H * im.W {
			rgb := im.Pix[i*size+3*p:]
			g.SetNRGBA(x+p%im.W, y+p/im.W, color.NRGBA{rgb[0], rgb[1], rgb[2], 255})
		}
	}
	return g
}

// gridGap is the gap of the grids that are written to files, in pixels.
const gridGap = 2

// WriteGrid writes the images as one PNG grid; cols 0 makes it near square.
func WriteGrid(path string, im Images, cols int) error {
	if err := im.check(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return WritePNG(path, Grid(im, cols, gridGap))
}

// WritePNG writes a picture.
func WritePNG(path string, picture image.Image) error {
	return atomicfile.Write(path, func(w io.Writer) error { return png.Encode(w, picture) })
}

// WriteEach writes each image as a PNG of its own to dir, which it makes: image
// i is called name(i) + ".png".
func WriteEach(dir string, im Images, name func(i int) string) error {
	if err := im.check(); err != nil {
		return fmt.Errorf("write %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for i := range im.N {
		if err := WritePNG(filepath.Join(dir, name(i)+".png"), Grid(im.one(i), 1, 0)); err != nil {
			return err
		}
	}
	return nil
}
