// Package judge scores images: it reads them through an extractor, a net whose
// inner activations are features, keeps what is worth keeping in a cache on
// disk, and lets package eval do the arithmetic beside a floor.
package judge

import (
	"context"

	"diffuse/internal/dataset"
	"diffuse/internal/dataset/pictures"
)

// Images are pictures to score, bytes of 0 to 255, [height][width][channels].
type Images interface {
	Len() int
	Shape() (h, w, c int)
	// Read fills dst with the images from lo on, as many as it holds. Calls come
	// one after the other, in ascending order.
	Read(ctx context.Context, dst []uint8, lo int) error
}

// setImages are some of a data set's images.
type setImages struct {
	set   *dataset.Set
	index []int // nil for all
}

func (s setImages) Len() int {
	if s.index != nil {
		return len(s.index)
	}
	return s.set.N
}

func (s setImages) Shape() (h, w, c int) { return s.set.H, s.set.W, s.set.C }

func (s setImages) Read(ctx context.Context, dst []uint8, lo int) error {
	size := s.set.H * s.set.W * s.set.C
	for i := range len(dst) / size {
		from := lo + i
		if s.index != nil {
			from = s.index[from]
		}
		copy(dst[i*size:(i+1)*size], s.set.Pixels[from*size:])
	}
	return ctx.Err()
}

// Pictures are those of a folder or an array.
type Pictures struct{ *pictures.Pictures }

// Len is their number.
func (p Pictures) Len() int { return p.N }

// Shape is a picture's.
func (p Pictures) Shape() (h, w, c int) { return p.H, p.W, p.C }

// Read decodes them.
func (p Pictures) Read(ctx context.Context, dst []uint8, lo int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.Pictures.Read(dst, lo)
}
