package run

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"path/filepath"

	"diffuse/internal/config"
	"diffuse/internal/model"
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
	Classes  []string // that a conditional net knows
	Workers  int
	Drawn    []train.Observer // hear of each grid as GridDrawn or GridFailed

	nets []sample.Pair
}

// GridDrawn is an event: a grid is on the disk.
type GridDrawn struct {
	Epoch, Step int
	Path        string
	Panels      []string // whose images, from left to right: "raw", "ema"
}

// GridFailed is an event: a net in the middle of its training may draw what is
// not finite, which is no reason to end the run.
type GridFailed struct {
	Epoch, Step int
	Err         error
}

// Observe draws a grid where e asks for one.
func (g *Grids) Observe(ctx context.Context, e train.Event) error {
	grid, ok := e.(train.Grid)
	if !ok {
		return nil
	}
	picture, err := g.draw(ctx, grid)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return g.tell(ctx, GridFailed{grid.Epoch, grid.Step, err})
	}
	path := filepath.Join(g.Folder.SamplesDir(), fmt.Sprintf("epoch-%04d.png", grid.Epoch))
	if err := plot.WritePNG(path, picture); err != nil {
		return fmt.Errorf("sample grid of epoch %d: %w", grid.Epoch, err)
	}
	panels := []string{"raw"}
	if grid.WithAverage != nil {
		panels = append(panels, "ema")
	}
	return g.tell(ctx, GridDrawn{grid.Epoch, grid.Step, path, panels})
}

// tell passes an event on to those who hear of grids.
func (g *Grids) tell(ctx context.Context, e train.Event) error {
	for _, o := range g.Drawn {
		if err := o.Observe(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// draw is the picture of a grid.
func (g *Grids) draw(ctx context.Context, grid train.Grid) (image.Image, error) {
	c := whileTrained(g.Config.Sample)
	c.Sampler = "ddim"
	sampler, err := sample.New(c, g.Schedule, g.Classes)
	if err != nil {
		return nil, err
	}
	if g.nets == nil {
		if g.nets, err = workers(grid.Net, min(g.Workers, g.Config.Train.GridImages), c.Batch); err != nil {
			return nil, err
		}
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
		return nil, err
	}
	if grid.WithAverage != nil {
		if err := grid.WithAverage(panel); err != nil {
			return nil, err
		}
	}
	return sideBySide(panels), nil
}

// gridGap is the gap between a grid's images, pixels.
const gridGap = 2

// whileTrained is how images are drawn before there is a checkpoint to guide them:
// unguided, where c is to be guided by one.
func whileTrained(c config.Sample) config.Sample {
	if c.Guide != "" {
		c.Guide, c.Guidance = "", 1
	}
	return c
}

// workers are n nets that predict, each for its own goroutine.
func workers(net model.Net, n, batch int) (nets []sample.Pair, err error) {
	for range n {
		w, err := net.Worker(batch, false)
		if err != nil {
			return nil, err
		}
		nets = append(nets, sample.Pair{Net: w})
	}
	return nets, nil
}

// seeds are those that `diffuse sample` begins with.
func (g *Grids) seeds() []uint64 {
	return sample.Seeds(g.Config.Sample.Seed, g.Config.Train.GridImages)
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
