package judge

import (
	"context"

	"diffuse/internal/team"
)

// Check says whether the extractor can take such images: an error of kind
// fault.Data where it cannot.
func (e *Extractor) Check(im Images) error {
	h, w, c := im.Shape()
	return e.fit(nil, nil, 0, h, w, c)
}

// Extract passes images through the net on so many workers and gives each
// stretch of features to sink, in order; progress, unless it is nil, hears how
// many images are done. Memory does not grow with their number.
func (e *Extractor) Extract(ctx context.Context, im Images, workers int, sink func(rows []float32) error, progress func(done int)) error {
	x, err := e.extraction(im, workers)
	if err != nil {
		return err
	}
	defer x.team.Close()
	pixels := make([]uint8, x.most()*x.size())
	for lo := 0; lo < im.Len(); lo += x.most() {
		n := min(x.most(), im.Len()-lo)
		if err := im.Read(ctx, pixels[:n*x.size()], lo); err != nil {
			return err
		}
		rows, err := x.features(pixels[:n*x.size()])
		if err != nil {
			return err
		}
		if err := sink(rows); err != nil {
			return err
		}
		if progress != nil {
			progress(lo + n)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// extraction is an extractor at work on images of one shape.
type extraction struct {
	*Extractor
	h, w, c int // of an image
	team    *team.Team
	hands   []hand  // one for each worker
	pixels  []uint8 // of the images whose features are asked for
	rows    []float32
}

// hand is one worker and the memory of its inputs.
type hand struct {
	worker
	x []float32
}

// extraction makes hands for im; the caller closes its team.
func (e *Extractor) extraction(im Images, workers int) (*extraction, error) {
	if err := e.Check(im); err != nil {
		return nil, err
	}
	x := &extraction{Extractor: e}
	x.h, x.w, x.c = im.Shape()
	for range max(1, min(workers, (im.Len()+e.batch-1)/e.batch)) {
		w, err := e.worker(x.h, x.w, x.c)
		if err != nil {
			return nil, err
		}
		x.hands = append(x.hands, hand{w, make([]float32, e.batch*e.in(x.h, x.w, x.c))})
	}
	x.rows = make([]float32, x.most()*e.Dim)
	x.team = team.New(len(x.hands))
	return x, nil
}

// size is the bytes of an image.
func (x *extraction) size() int { return x.h * x.w * x.c }

// most is how many images features takes.
func (x *extraction) most() int { return len(x.hands) * x.batch }

// features are those of images back to back, until the next call.
func (x *extraction) features(pixels []uint8) ([]float32, error) {
	n := len(pixels) / x.size()
	x.pixels = pixels
	return x.rows[:n*x.Dim], x.team.Run((n+x.batch-1)/x.batch, x)
}

// Do extracts one batch of the pixels.
func (x *extraction) Do(worker, batch int) error {
	lo, hi := batch*x.batch, min(len(x.pixels)/x.size(), (batch+1)*x.batch)
	h := x.hands[worker]
	in := h.x[:(hi-lo)*x.in(x.h, x.w, x.c)]
	if err := x.fit(in, x.pixels[lo*x.size():hi*x.size()], hi-lo, x.h, x.w, x.c); err != nil {
		return err
	}
	return h.Features(x.rows[lo*x.Dim:hi*x.Dim], in)
}
