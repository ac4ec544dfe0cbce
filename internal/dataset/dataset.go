// Package dataset reads small labelled images: Fashion-MNIST, CIFAR-10 and an
// extract of Fashion-MNIST that is part of the program. Images in, batches out.
package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"diffuse/internal/fault"
	"diffuse/internal/rng"
)

// Split is a part of a data set.
type Split int

// The parts: what a net learns from and what it is judged on.
const (
	Train Split = iota
	Test
)

func (s Split) String() string {
	if s == Test {
		return "test"
	}
	return "train"
}

// Set is N labelled images in memory.
type Set struct {
	Name    string
	N       int
	H, W, C int
	Pixels  []uint8  // (N,H,W,C) as in the files, not padded
	Labels  []uint8  // N, each below len(Classes)
	Classes []string // the labels' names
	Hash    string   // SHA-256 of shape, pixels and labels, in hex: what a run records
}

// newSet checks labels against classes and takes the hash of the content.
func newSet(name string, classes []string, h, w, c int, pixels, labels []uint8) (*Set, error) {
	s := &Set{Name: name, N: len(labels), H: h, W: w, C: c, Pixels: pixels, Labels: labels, Classes: classes}
	if len(pixels) != s.N*s.imageSize() {
		return nil, fmt.Errorf("%d labels for %d images", s.N, len(pixels)/s.imageSize())
	}
	for i, l := range labels {
		if int(l) >= len(classes) {
			return nil, fmt.Errorf("label %d of image %d is not below %d", l, i, len(classes))
		}
	}
	s.Hash = s.hash()
	return s, nil
}

func (s *Set) imageSize() int { return s.H * s.W * s.C }

func (s *Set) hash() string {
	h := sha256.New()
	for _, n := range []int{s.N, s.H, s.W, s.C} {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	h.Write(s.Pixels)
	h.Write(s.Labels)
	return hex.EncodeToString(h.Sum(nil))
}

// Head is the set's first n images, or s itself where n is 0 or not below N.
func (s *Set) Head(n int) *Set {
	if n <= 0 || n >= s.N {
		return s
	}
	head := *s
	head.N = n
	head.Pixels = s.Pixels[:n*s.imageSize()]
	head.Labels = s.Labels[:n]
	head.Hash = head.hash()
	return &head
}

// CheckSize refuses a side that the images do not fit in.
func (s *Set) CheckSize(size int) error {
	if size < max(s.H, s.W) {
		return fault.New(fault.Usage, fmt.Sprintf("set data.size to %d or more", max(s.H, s.W)),
			"%s has images of %dx%d pixels, they do not fit %dx%d", s.Name, s.H, s.W, size, size)
	}
	return nil
}

// Move is how an image is changed on its way into a batch.
type Move struct {
	Mirror      bool // left to right
	Down, Right int  // pixels; what leaves the square is lost, what comes in is 0
}

// Fill writes images idx to dst, (len(idx), size, size, C) back to back. Each
// stands in the middle of a square of zeros, as in the lesson: the zeros are
// added before scaling, so they become lo as any black pixel does; 255 becomes
// hi. move (it may be nil) is asked, with an image's index in the set, how to
// change it. size must have passed CheckSize.
func (s *Set) Fill(dst []float32, idx []int, size int, lo, hi float64, move func(i int) Move) {
	scaled := scaleTable(lo, hi)
	out := size * size * s.C
	for k, i := range idx {
		image := dst[k*out : (k+1)*out]
		for j := range image {
			image[j] = scaled[0]
		}
		var m Move
		if move != nil {
			m = move(i)
		}
		s.place(image, s.Pixels[i*s.imageSize():(i+1)*s.imageSize()], size, m, &scaled)
	}
}

// place writes an image's pixels where m puts them.
func (s *Set) place(image []float32, pixels []uint8, size int, m Move, scaled *[256]float32) {
	top, left := (size-s.H)/2+m.Down, (size-s.W)/2+m.Right
	for y := max(0, -top); y < min(s.H, size-top); y++ {
		for x := max(0, -left); x < min(s.W, size-left); x++ {
			from := x
			if m.Mirror {
				from = s.W - 1 - x
			}
			for c := range s.C {
				image[((top+y)*size+left+x)*s.C+c] = scaled[pixels[(y*s.W+from)*s.C+c]]
			}
		}
	}
}

// scaleTable maps a pixel p to lo + (hi-lo)·p/255, computed in float64.
func scaleTable(lo, hi float64) (table [256]float32) {
	for p := range table {
		table[p] = float32(lo + (hi-lo)*float64(p)/255)
	}
	return table
}

// Order is the order of n training images in an epoch: a function of seed and
// epoch alone.
func Order(n int, seed int64, epoch int) []int {
	return rng.Perm(n, uint64(seed), rng.Shuffle, uint64(epoch))
}
