package cli

import (
	"cmp"
	"context"
	"slices"

	"diffuse/internal/dataset"
	"diffuse/internal/eval"
	"diffuse/internal/judge"
	"diffuse/internal/plot"
)

// nearestPairs is how many samples are drawn beside their nearest images: those
// that are nearest.
const nearestPairs = 32

// scoreNearest scores images, counts near-copies of training images and draws
// the most suspicious pairs.
func (o *ScoreOptions) scoreNearest(ctx context.Context, j *judge.Judge, drawn *judge.Drawn, r *ScoreResult, name string) error {
	set, err := dataset.Open(name, o.Global.Data, dataset.Train)
	if err != nil {
		return err
	}
	if err := j.Prepare(ctx, drawn.Len()); err != nil {
		return err
	}
	kept := &judge.Kept{Images: drawn}
	rows, err := j.Features(ctx, kept, "samples")
	if err != nil {
		return err
	}
	defer rows.Close()
	s, err := j.ScoreFeatures(ctx, rows)
	if err != nil {
		return err
	}
	near, copies, err := j.Nearest(ctx, rows, set)
	if err != nil {
		return err
	}
	r.Score, r.Copies, r.Files = *s, copies, []string{o.Nearest}
	return plot.WritePNG(o.Nearest, plot.Grid(pairs(kept, set, near), pairsAcross, 2))
}

// pairsAcross is how many images stand in a row of the picture, two a pair.
const pairsAcross = 16

// pairs are the samples nearest to training images, each before that image.
func pairs(kept *judge.Kept, set *dataset.Set, near []eval.Neighbour) plot.Images {
	order := make([]int, len(near))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(near[a].Distance, near[b].Distance) })
	order = order[:min(nearestPairs, len(order))]
	h, w, c := kept.Shape()
	size := h * w * c
	im := plot.Images{N: 2 * len(order), H: h, W: w, C: c}
	image := make([]float32, size)
	for _, i := range order {
		im.Pix = append(im.Pix, kept.Pixels[i*size:(i+1)*size]...)
		set.Fill(image, []int{near[i].Row}, h, 0, 255, nil)
		im.Pix = append(im.Pix, plot.ToBytes(image, 0, 255)...)
	}
	return im
}
