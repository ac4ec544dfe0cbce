package judge

import (
	"context"
	"sync"

	"diffuse/internal/model"
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
	if err := e.Check(im); err != nil {
		return err
	}
	x := &extraction{Extractor: e}
	x.h, x.w, x.c = im.Shape()
	for range min(workers, (im.Len()+e.batch-1)/e.batch) {
		w, err := e.net.Features(e.batch)
		if err != nil {
			return err
		}
		x.hands = append(x.hands, hand{w, make([]float32, e.batch*e.in(x.h, x.w, x.c))})
	}
	at := len(x.hands) * e.batch
	pixels, rows := make([]uint8, at*x.size()), make([]float32, at*e.Dim)
	for lo := 0; lo < im.Len(); lo += at {
		n := min(at, im.Len()-lo)
		if err := im.Read(ctx, pixels[:n*x.size()], lo); err != nil {
			return err
		}
		if err := x.stretch(rows, pixels, n); err != nil {
			return err
		}
		if err := sink(rows[:n*e.Dim]); err != nil {
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

// extraction is one call of Extract.
type extraction struct {
	*Extractor
	h, w, c int // of an image
	hands   []hand
}

// hand is one worker and the memory of its inputs.
type hand struct {
	model.Worker
	x []float32
}

func (x *extraction) size() int { return x.h * x.w * x.c }

// stretch computes the features of n images, a batch on each hand.
func (x *extraction) stretch(rows []float32, pixels []uint8, n int) error {
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
				errs[i] = h.Predict(rows[lo*x.Dim:hi*x.Dim], in, nil)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
