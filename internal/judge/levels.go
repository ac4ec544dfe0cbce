package judge

import (
	"context"
	"fmt"

	"diffuse/internal/dataset"
	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/rng"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"
)

// Level is the score of images that begin as real ones under noise of sigma: how much
// of a score is lost at lower levels, and so by its growth at which ones.
type Level struct {
	Sigma    float64  `json:"sigma"` // Karras': of an image whose signal is x_0 itself
	T        float64  `json:"t"`     // the time of the first step taken
	NetCalls int      `json:"net_calls"`
	FID      float64  `json:"fid"`
	KID      *float64 `json:"kid,omitempty"`
}

// Levels draws images for d's seeds from real ones, under the noise of up to so many
// of the steps, and scores them from the least noise to the most; and the images that
// begin as noise. d is of a sampler of two steps or more, held has one for each seed.
func (j *Judge) Levels(ctx context.Context, d *Drawn, held *dataset.Set, levels int) ([]Level, *eval.Score, error) {
	steps := len(d.Sampler.Steps)
	if steps < 2 {
		return nil, nil, fault.New(fault.Usage, "take more steps", "a sampler of one step has no noise to begin under but all of it")
	}
	start, err := d.realStart(held, j.o.Seed)
	if err != nil {
		return nil, nil, err
	}
	if err := j.Prepare(ctx, d.Len()); err != nil {
		return nil, nil, err
	}
	var out []Level
	for _, k := range evenly(steps-1, levels) {
		first := steps - 1 - k // the last step has the least noise
		from := d.Sampler.From(first, start)
		level := Level{Sigma: schedule.Sigma(d.Sampler.Steps[first-1].AlphabarPrev), T: from.Steps[0].T, NetCalls: from.NetCalls()}
		if err := j.level(ctx, &level, d, from); err != nil {
			return nil, nil, err
		}
		out = append(out, level)
	}
	s, err := j.Score(ctx, d)
	return out, s, err
}

// level draws d's images by another sampler and scores them.
func (j *Judge) level(ctx context.Context, l *Level, d *Drawn, from *sample.Sampler) error {
	begun := *d
	begun.Sampler = from
	rows, err := j.Features(ctx, &begun, fmt.Sprintf("real images under noise of sigma %.2g", l.Sigma))
	if err != nil {
		return err
	}
	defer rows.Close()
	l.FID, l.KID, err = j.plainScores(rows)
	return err
}

// realStart gives each of d's seeds an image of held, chosen by seed, and its class.
func (d *Drawn) realStart(held *dataset.Set, seed uint64) (func(x0 []float32, seeds []uint64) []int, error) {
	if d.Len() > held.N {
		return nil, fault.New(fault.Usage, "score fewer", "%d images cannot begin as %d real ones", d.Len(), held.N)
	}
	order := rng.Perm(held.N, seed, rng.FloorRows, 0)
	index := make(map[uint64]int, d.Len())
	for i, s := range d.Seeds {
		index[s] = order[i]
	}
	return func(x0 []float32, seeds []uint64) []int {
		images, classes := make([]int, len(seeds)), make([]int, len(seeds))
		for i, s := range seeds {
			images[i] = index[s]
			classes[i] = int(held.Labels[images[i]])
		}
		held.Fill(x0, images, d.ImgSize.H, d.Range[0], d.Range[1], nil)
		return classes
	}, nil
}
