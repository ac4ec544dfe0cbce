package judge

import (
	"context"
	"sync"
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
	hands   []hand
	rows    []float32
}

// hand is one worker and the memory of its inputs.
type hand struct {
	worker
	x []float32
}

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
	return x, nil
}

// size is the bytes of an image.
func (x *extraction) size() int { return x.h * x.w * x.c }

// most is how many images features takes.
func (x *extraction) most() int { return len(x.hands) * x.batch }

// features are those of images back to back, until the next call.
func (x *extraction) features(pixels []uint8) ([]float32, error) {
	n := len(pixels) / x.size()
	errs := make([]error, len(x.hands))
	var group sync.WaitGroup
	for i, h := range x.hands {
		lo, hi := min(n, i*x.batch), min(n, (i+1)*x.batch)
		if lo == hi {
			break
		}
		group.Go(func() {
			in := h.x[:(hi-lo)*x.in(x.h, x.w, x.c)]
			if errs[i] = x.fit(in, pixels[lo*x.size():hi*x.size()], hi-lo, x.h, x.w, x.c); errs[i] == nil {
				errs[i] = h.Features(x.rows[lo*x.Dim:hi*x.Dim], in)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return x.rows[:n*x.Dim], nil
}
