package judge

import (
	"context"
	"fmt"

	"diffuse/internal/dataset"
	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/rng"
)

// Reference is the real images that samples are scored against.
type Reference struct {
	Name string // such as fashion-mnist/test
	Hash string // of the images, or of the file of statistics
	// Images are the reference's own; nil where only their Moments are known.
	Images  Images
	Moments *eval.Moments
	// held are n real images that are not in the reference, by seed, and what
	// they are called; nil where there are none.
	held func(n int, seed uint64) (Images, string)
}

// SetReference is a split of a data set; the other split gives the floor.
func SetReference(name, dir string, split dataset.Split) (*Reference, error) {
	set, err := dataset.Open(name, dir, split)
	if err != nil {
		return nil, err
	}
	other := dataset.Train
	if split == dataset.Train {
		other = dataset.Test
	}
	real, err := dataset.Open(name, dir, other)
	if err != nil {
		return nil, err
	}
	return &Reference{
		Name: fmt.Sprintf("%s/%s", name, split), Hash: set.Hash, Images: setImages{set: set},
		held: func(n int, seed uint64) (Images, string) {
			index := rng.Perm(real.N, seed, rng.FloorRows, 0)[:min(n, real.N)]
			return setImages{real, index}, fmt.Sprintf("%s seed %d n %d", real.Hash, seed, n)
		},
	}, nil
}

// rows are the reference's features, from the store where they are there.
func (j *Judge) rows(ctx context.Context, im Images, hash, name, stage string) (*Rows, error) {
	e := j.extractor
	terms := featureTerms{Images: hash, Extractor: e.Hash, Features: e.Name, Precision: e.Precision, Kernels: j.kernels}
	if rows := j.store.find(terms, e.Dim); rows != nil {
		return rows, nil
	}
	w, err := j.store.newWriter(e.Dim)
	if err != nil {
		return nil, fault.New(fault.Failure, "name a folder for the cache: --cache DIR", "store features: %w", err)
	}
	err = e.Extract(ctx, im, j.workers, w.add, func(done int) { j.report(stage, done, im.Len()) })
	if err != nil {
		w.discard()
		return nil, err
	}
	rows, err := w.rows()
	if err != nil {
		w.discard()
		return nil, err
	}
	if hash != "" && j.store.Dir != "" {
		if err := j.store.keep(w, rows, terms, name); err != nil {
			rows.Close()
			return nil, fault.New(fault.Failure, "name a folder for the cache: --cache DIR", "store features: %w", err)
		}
	}
	return rows, nil
}
