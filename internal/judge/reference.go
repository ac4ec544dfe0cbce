package judge

import (
	"context"
	"fmt"
	"path/filepath"

	"diffuse/internal/dataset"
	"diffuse/internal/dataset/pictures"
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
	// held finds n real images that are not in the reference, by seed, and what
	// they are called; nil where there are none.
	held func(n int, seed uint64) (Images, string, error)
	// floors are the FID of n real images where it was measured before and the
	// images are not there to measure it again; of seed floorSeed.
	floors    map[int]float64
	floorSeed uint64
}

// SetReference is a split of a data set; the other split gives the floor, and is
// read when one is measured.
func SetReference(name, dir string, split dataset.Split) (*Reference, error) {
	set, err := dataset.Open(name, dir, split)
	if err != nil {
		return nil, err
	}
	other := dataset.Train
	if split == dataset.Train {
		other = dataset.Test
	}
	return &Reference{
		Name: fmt.Sprintf("%s/%s", name, split), Hash: set.Hash, Images: setImages{set: set},
		held: func(n int, seed uint64) (Images, string, error) {
			rest, err := dataset.Open(name, dir, other)
			if err != nil {
				return nil, "", err
			}
			if n >= rest.N { // what serves every n and seed
				return setImages{set: rest}, rest.Hash, nil
			}
			index := rng.Perm(rest.N, seed, rng.FloorRows, 0)[:n]
			return setImages{rest, index}, fmt.Sprintf("%s seed %d n %d", rest.Hash, seed, n), nil
		},
	}, nil
}

// rows are the reference's features, from the store where they are there.
func (j *Judge) rows(ctx context.Context, im Images, hash, name, stage string) (*Rows, error) {
	e := j.o.Extractor
	terms := featureTerms{Images: hash, Extractor: e.Hash, Features: e.Name, Precision: e.Precision, Kernels: j.o.Kernels}
	if rows := j.o.Store.find(terms, e.Dim); rows != nil {
		return rows, nil
	}
	w, err := j.o.Store.newWriter(e.Dim)
	if err != nil {
		return nil, fault.New(fault.Failure, "name a folder for the cache: --cache DIR", "store features: %w", err)
	}
	err = e.Extract(ctx, im, j.o.Workers, w.add, func(done int) { j.o.Progress(stage, done, im.Len()) })
	if err != nil {
		w.discard()
		return nil, err
	}
	rows, err := w.rows()
	if err != nil {
		w.discard()
		return nil, err
	}
	if hash != "" && j.o.Store.Dir != "" {
		if err := j.o.Store.keep(w, rows, terms, name); err != nil {
			rows.Close()
			return nil, fault.New(fault.Failure, "name a folder for the cache: --cache DIR", "store features: %w", err)
		}
	}
	return rows, nil
}

// PicturesReference is the pictures of a folder or an array; half of them against
// the other half is the floor.
func PicturesReference(ctx context.Context, path string, o pictures.Options) (*Reference, error) {
	p, err := pictures.Open(path, o)
	if err != nil {
		return nil, err
	}
	hash, err := p.Hash(ctx)
	if err != nil {
		return nil, err
	}
	return &Reference{Name: filepath.Base(filepath.Clean(path)), Hash: hash, Images: Pictures{p}}, nil
}
