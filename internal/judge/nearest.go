package judge

import (
	"context"

	"diffuse/internal/dataset"
	"diffuse/internal/eval"
)

// Kept are images that stay in memory once they were read.
type Kept struct {
	Images
	Pixels []uint8
}

// Read reads and keeps.
func (k *Kept) Read(ctx context.Context, dst []uint8, lo int) error {
	if err := k.Images.Read(ctx, dst, lo); err != nil {
		return err
	}
	h, w, c := k.Shape()
	if k.Pixels == nil {
		k.Pixels = make([]uint8, k.Len()*h*w*c)
	}
	copy(k.Pixels[lo*h*w*c:], dst)
	return nil
}

// Nearest finds each row's nearest image of a data set's training images by the
// extractor's features, and counts near-copies (eval.NearCopies).
func (j *Judge) Nearest(ctx context.Context, rows eval.Source, set *dataset.Set) ([]eval.Neighbour, *eval.Copies, error) {
	trained, err := j.rows(ctx, setImages{set: set}, set.Hash, set.Name+"/train", "training images")
	if err != nil {
		return nil, nil, err
	}
	defer trained.Close()
	near, err := eval.Nearest(rows, trained)
	if err != nil {
		return nil, nil, err
	}
	threshold, err := eval.CopyThreshold(trained, j.o.Seed)
	if err != nil {
		return nil, nil, err
	}
	return near, &eval.Copies{
		Count: eval.NearCopies(near, threshold), Expected: eval.CopyQuantile * float64(rows.Len()), Threshold: threshold,
	}, nil
}
