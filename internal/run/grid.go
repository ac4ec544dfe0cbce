package run

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"path/filepath"

	"diffuse/internal/config"
	"diffuse/internal/plot"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"
	"diffuse/internal/train"
)

// Grids draws sample grids to samples/epoch-NNNN.png: DDIM from the same seeds
// each time, so that grids show what training changed and nothing else. The
// weights' images are on the left, those of their moving average, where there
// is one, on the right. It is a train.Observer.
type Grids struct {
	Folder   Folder
	Config   *config.Config
	Schedule *schedule.Schedule
	Shape    sample.Shape
	Workers  int
	Drawn    []train.Observer // hear of each grid as GridDrawn

	nets []sample.Denoiser
}

// GridDrawn is an event: a grid is on the disk.
type GridDrawn struct {
	Epoch, Step int
	Path        string
}

// Observe draws a grid where e asks for one.
func (g *Grids) Observe(ctx context.Context, e train.Event) error {
	grid, ok := e.(train.Grid)
	if !ok {
		return nil
	}
	path := filepath.Join(g.Folder.SamplesDir(), fmt.Sprintf("epoch-%04d.png", grid.Epoch))
	if err := g.draw(ctx, grid, path); err != nil {
		return fmt.Errorf("sample grid of epoch %d: %w", grid.Epoch, err)
	}
	for _, o := range g.Drawn {
		if err := o.Observe(ctx, GridDrawn{grid.Epoch, grid.Step, path}); err != nil {
			return err
		}
	}
	return nil
}

func (g *Grids) draw(ctx context.Context, grid train.Grid, path string) error {
	c := g.Config.Sample
	c.Sampler = "ddim"
	sampler, err := sample.New(c, g.Schedule)
	if err != nil {
		return err
	}
	if err := g.makeNets(grid); err != nil {
		return err
	}
	var panels []image.Image
	panel := func() error {
		x, err := sampler.Draw(ctx, g.nets, g.Shape, g.seeds(), sample.Options{Batch: c.Batch})
		if err != nil {
			return err
		}
		lo, hi := g.Config.Data.Range[0], g.Config.Data.Range[1]
		im := plot.Images{Pix: plot.ToBytes(x, lo, hi), N: len(g.seeds()), H: g.Shape.H, W: g.Shape.W, C: g.Shape.C}
		panels = append(panels, plot.Grid(im, 0, gridGap))
		return nil
	}
	if err := panel(); err != nil {
		return err
	}
	if grid.WithAverage != nil {
		if err := grid.WithAverage(panel); err != nil {
			return err
		}
	}
	return plot.WritePNG(path, sideBySide(panels))
}

// gridGap is the gap between a grid's images, pixels.
const gridGap = 2

// makeNets builds the nets that predict, once.
func (g *Grids) makeNets(grid train.Grid) error {
	batches := (g.Config.Train.GridImages + g.Config.Sample.Batch - 1) / g.Config.Sample.Batch
	for len(g.nets) < min(g.Workers, batches) {
		w, err := grid.Net.Worker(g.Config.Sample.Batch, false)
		if err != nil {
			return err
		}
		g.nets = append(g.nets, w)
	}
	return nil
}

// seeds are those that `diffuse sample` begins with.
func (g *Grids) seeds() []uint64 {
	seeds := make([]uint64, g.Config.Train.GridImages)
	for i := range seeds {
		seeds[i] = uint64(g.Config.Sample.Seed) + uint64(i)
	}
	return seeds
}

// sideBySide is one picture of panels of the same size and kind, from left to
// right.
func sideBySide(panels []image.Image) image.Image {
	w, h := panels[0].Bounds().Dx(), panels[0].Bounds().Dy()
	bounds := image.Rect(0, 0, len(panels)*w, h)
	var all draw.Image = image.NewNRGBA(bounds)
	if _, gray := panels[0].(*image.Gray); gray {
		all = image.NewGray(bounds)
	}
	for i, p := range panels {
		draw.Draw(all, image.Rect(i*w, 0, (i+1)*w, h), p, image.Point{}, draw.Src)
	}
	return all
}
