// Package eval is the mathematics of scores: from features, rows of numbers that
// an extractor made of images, to FID, KID, precision and recall, nearest
// neighbours, and what says how far a score can be trusted. It knows no image,
// no net and no file; the same arguments give the same bits on any number of
// processors.
package eval

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"diffuse/internal/fault"
	"diffuse/internal/rng"
)

// A Source holds features: rows of Dim float32 each, an image's features a row.
type Source interface {
	Len() int // rows
	Dim() int // features of a row
	// Read fills dst with rows lo, lo+1, …, back to back; len(dst) is a multiple
	// of Dim and the rows exist. Several goroutines call it at once. An error
	// ends the work, so a source can also be the way to cancel it.
	Read(dst []float32, lo int) error
}

// rows is a Source in memory.
type rows struct {
	data []float32
	dim  int
}

// Rows is the Source of data, rows of dim features back to back; it keeps data.
func Rows(data []float32, dim int) (Source, error) {
	if dim < 1 || len(data)%dim != 0 {
		return nil, fault.New(fault.Data, "", "%d numbers are no rows of %d features", len(data), dim)
	}
	return rows{data, dim}, nil
}

func (r rows) Len() int { return len(r.data) / r.dim }
func (r rows) Dim() int { return r.dim }

func (r rows) Read(dst []float32, lo int) error {
	copy(dst, r.data[lo*r.dim:])
	return nil
}

// stored is a Source in a file.
type stored struct {
	file   io.ReaderAt
	offset int64
	n, dim int
}

// Stored is the Source of n rows of dim float32, little-endian, back to back
// from offset in file: what an .npy or a .safetensors file holds after its
// header. Rows are read when they are asked for.
func Stored(file io.ReaderAt, offset int64, n, dim int) Source {
	return stored{file, offset, n, dim}
}

func (s stored) Len() int { return s.n }
func (s stored) Dim() int { return s.dim }

func (s stored) Read(dst []float32, lo int) error {
	b := make([]byte, 4*len(dst))
	if n, err := s.file.ReadAt(b, s.offset+4*int64(lo)*int64(s.dim)); n < len(b) {
		return fmt.Errorf("read features from row %d: %w", lo, err)
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return nil
}

// window is the n rows of a Source from lo.
type window struct {
	Source
	lo, n int
}

func (w window) Len() int                         { return w.n }
func (w window) Read(dst []float32, lo int) error { return w.Source.Read(dst, w.lo+lo) }
func (w window) origin(i int) int                 { return origin(w.Source, w.lo+i) }

// picked is some rows of a Source.
type picked struct {
	Source
	index []int
}

func (p picked) Len() int         { return len(p.index) }
func (p picked) origin(i int) int { return origin(p.Source, p.index[i]) }

func (p picked) Read(dst []float32, lo int) error {
	dim := p.Dim()
	for i := range len(dst) / dim {
		if err := p.Source.Read(dst[i*dim:(i+1)*dim], p.index[lo+i]); err != nil {
			return err
		}
	}
	return nil
}

// origin is the number that row i of s has in the Source that s is a part of.
func origin(s Source, i int) int {
	if part, ok := s.(interface{ origin(i int) int }); ok {
		return part.origin(i)
	}
	return i
}

// Split chooses n rows of src by seed and gives them and the rest, each in src's
// order: rng's stream FloorRows. n is at most src's length.
func Split(src Source, n int, seed uint64) (chosen, rest Source, err error) {
	if n < 0 || n > src.Len() {
		return nil, nil, fault.New(fault.Usage, "", "cannot choose %d of %d images", n, src.Len())
	}
	in, out := choose(n, src.Len(), seed, rng.FloorRows, 0)
	return picked{src, in}, picked{src, out}, nil
}

// choose draws n of 0…total-1, each as likely; both parts ascend.
func choose(n, total int, seed uint64, stream rng.Stream, step uint64) (in, out []int) {
	p := rng.Perm(total, seed, stream, step)
	slices.Sort(p[:n])
	slices.Sort(p[n:])
	return p[:n], p[n:]
}

// set is a Source with the name that errors call it by.
type set struct {
	Source
	name string
}

// readFinite is Read that refuses NaN and infinity: errors of kind Data that name
// the set and the row.
func (s set) readFinite(dst []float32, lo int) error {
	if err := readFinite(s.Source, dst, lo); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// readFinite is src.Read that refuses NaN and infinity.
func readFinite(src Source, dst []float32, lo int) error {
	if err := src.Read(dst, lo); err != nil {
		return err
	}
	return checkFinite(src, dst, lo)
}

// checkFinite is an error if rows of src from lo on hold a NaN or an infinity.
func checkFinite(src Source, rows []float32, lo int) error {
	if i := firstNotFinite(rows); i >= 0 {
		return notFinite(rows[i], origin(src, lo+i/src.Dim()), i%src.Dim())
	}
	return nil
}

// firstNotFinite is the index of the first NaN or infinity, -1 if there is none.
func firstNotFinite(x []float32) int {
	return slices.IndexFunc(x, func(v float32) bool { return v-v != 0 })
}

func notFinite(v float32, row, feature int) error {
	return fault.New(fault.Data, "", "row %d: feature %d is %v", row, feature, v)
}

// alike checks that two sets can be compared.
func alike(a, b Source) error {
	if a.Dim() != b.Dim() || a.Dim() < 1 {
		return unlike(a.Dim(), b.Dim())
	}
	return nil
}

func unlike(a, b int) error {
	return fault.New(fault.Data, "score features of one extractor",
		"the samples have %d features each, the reference %d", a, b)
}
