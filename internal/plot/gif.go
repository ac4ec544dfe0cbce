package plot

import (
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"

	"diffuse/internal/atomicfile"
)

// WriteGIF writes an endless animation of grids, one a frame; every frame has
// the same shape. delay is the time a frame stays and hold the time the last one
// stays, in hundredths of a second. Gray is exact; RGB is reduced to the 256
// colours that suit the frames best.
func WriteGIF(path string, frames []Images, cols, delay, hold int) error {
	if len(frames) == 0 {
		return fmt.Errorf("write %s: no frames", path)
	}
	for _, f := range frames {
		if err := f.check(); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if f.N != frames[0].N || f.H != frames[0].H || f.W != frames[0].W || f.C != frames[0].C {
			return fmt.Errorf("write %s: frames differ in shape", path)
		}
	}
	g := &gif.GIF{Image: paletted(frames, cols), Delay: make([]int, len(frames))}
	for i := range g.Delay {
		g.Delay[i] = delay
	}
	g.Delay[len(frames)-1] = hold
	return atomicfile.Write(path, func(w io.Writer) error { return gif.EncodeAll(w, g) })
}

// paletted draws each frame's grid with one palette for all of them, so that no
// colour flickers.
func paletted(frames []Images, cols int) []*image.Paletted {
	out := make([]*image.Paletted, len(frames))
	if frames[0].C == 1 {
		palette := make(color.Palette, 256)
		for i := range palette {
			palette[i] = color.Gray{uint8(i)}
		}
		for i, f := range frames {
			g := Grid(f, cols, gridGap).(*image.Gray)
			out[i] = &image.Paletted{Pix: g.Pix, Stride: g.Stride, Rect: g.Rect, Palette: palette}
		}
		return out
	}
	grids := make([]*image.NRGBA, len(frames))
	var counts histogram
	for i, f := range frames {
		grids[i] = Grid(f, cols, gridGap).(*image.NRGBA)
		counts.add(grids[i])
	}
	palette, index := counts.medianCut(256)
	for i, g := range grids {
		out[i] = image.NewPaletted(g.Rect, palette)
		for p := range out[i].Pix {
			out[i].Pix[p] = index[cellOf(g.Pix[4*p:])]
		}
	}
	return out
}
