package judge

import (
	"context"

	"diffuse/internal/plot"
	"diffuse/internal/sample"
)

// Drawn are images that a sampler draws when they are asked for, as the bytes
// they would be saved as: clamped to the net's input range and rounded.
type Drawn struct {
	Sampler *sample.Sampler
	Nets    []sample.Pair
	ImgSize sample.Shape
	Range   [2]float64 // of the net's input
	Seeds   []uint64
	Options sample.Options
}

// Len is the number of seeds.
func (d *Drawn) Len() int { return len(d.Seeds) }

// Shape is an image's.
func (d *Drawn) Shape() (h, w, c int) { return d.ImgSize.H, d.ImgSize.W, d.ImgSize.C }

// Read draws the images of the seeds from lo on.
func (d *Drawn) Read(ctx context.Context, dst []uint8, lo int) error {
	n := len(dst) / d.ImgSize.Len()
	x, err := d.Sampler.Draw(ctx, d.Nets, d.ImgSize, d.Seeds[lo:lo+n], d.Options)
	if err != nil {
		return err
	}
	copy(dst, plot.ToBytes(x, d.Range[0], d.Range[1]))
	return nil
}
