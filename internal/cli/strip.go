package cli

import (
	"math"
	"slices"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/plot"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"
)

const (
	stripColumns = 13 // steps from the first to the last
	stripImages  = 2  // rows for each schedule
)

// writeStrip draws the same images under the same noise at the levels of each
// schedule: stripImages rows a schedule, t from 0 to T−1 from left to right.
func writeStrip(o *ScheduleOptions, shown []shownSchedule, base *config.Resolved) error {
	set, err := o.stripSet(base)
	if err != nil {
		return err
	}
	size, channels := base.Data.Size, set.C
	if err := set.CheckSize(size); err != nil {
		return err
	}
	length := size * size * channels
	x0, eps := make([]float32, stripImages*length), make([]float32, stripImages*length)
	lo, hi := base.Data.Range[0], base.Data.Range[1]
	// The second and the first image: in both data sets they look unalike.
	set.Fill(x0, []int{1, 0}[:min(stripImages, set.N)], size, lo, hi, nil)
	for i := range stripImages {
		rng.Normal(eps[i*length:(i+1)*length], 0, rng.Strip, uint64(i), 0)
	}
	im := plot.Images{N: len(shown) * stripImages * stripColumns, H: size, W: size, C: channels}
	for _, s := range shown {
		for i := range stripImages {
			for _, t := range schedule.Linspace(0, float64(s.T()-1), stripColumns) {
				a := s.Alphabar[int(math.Round(t))]
				x := noised(x0[i*length:(i+1)*length], eps[i*length:(i+1)*length], a)
				// Each to its full contrast, as the lesson shows them.
				im.Pix = append(im.Pix, plot.ToBytes(x, float64(slices.Min(x)), float64(slices.Max(x)))...)
			}
		}
	}
	return plot.WriteGrid(o.Strip, im, stripColumns)
}

// stripSet is the config's data set where --data holds it, else the extract.
func (o *ScheduleOptions) stripSet(base *config.Resolved) (*dataset.Set, error) {
	if o.Config != "" && o.Global.Data != "" {
		return dataset.Open(base.Data.Set, o.Global.Data, dataset.Test)
	}
	return dataset.Open(dataset.FashionExtract, "", dataset.Test)
}

// noised is sqrt(alphabar)·x_0 + sqrt(1−alphabar)·eps (Ho et al. 2020,
// equation 4).
func noised(x0, eps []float32, alphabar float64) []float32 {
	x := make([]float32, len(x0))
	signal, noise := math.Sqrt(alphabar), math.Sqrt(1-alphabar)
	for i := range x {
		x[i] = float32(signal*float64(x0[i]) + noise*float64(eps[i]))
	}
	return x
}
