// Package pictures reads the pictures that are to be scored, whatever program
// made them: a folder of PNG, JPEG, GIF and BMP files, or a NumPy array. They come
// as bytes and in order; memory does not depend on how many there are.
package pictures

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"os"

	"diffuse/internal/fault"
)

// Options say what of the pictures is wanted.
type Options struct {
	N     int        // the first so many; 0 is all
	Range [2]float64 // what 0 and 255 are in an array of floats; zero where nobody said. Bytes need none
}

// Pictures are N pictures of H×W pixels and C channels: 1 is gray, 3 is RGB. They
// are for one goroutine; Read itself works on all cores.
type Pictures struct {
	Path       string
	N, H, W, C int

	source source
	hash   hash.Hash
	hashed int // pictures that hash has seen
}

// source is where the pictures come from.
type source interface {
	// read decodes pictures lo, lo+1, ... to dst, (n,H,W,C) back to back.
	read(dst []uint8, lo int) error
	close() error
}

// maxPixels bounds a picture: 4096×4096.
const maxPixels = 1 << 24

// Open opens a folder of pictures, or X.npy of shape (n,h,w), (n,h,w,c) or
// (n,c,h,w) with c 1 or 3.
//
// A folder's pictures are the files .png, .jpg, .jpeg, .gif and .bmp in it, sorted
// by name; hidden files and other files are passed over, folders in it too. All
// must have one size. If each is stored as gray, C is 1; else C is 3, and gray ones
// have three equal channels. Pixels are those of Pillow's convert("RGB"), as in
// pytorch-fid: alpha is dropped, not blended, and 16 bits become the upper 8.
//
// An array holds uint8, or floats that Options.Range maps to 0…255, rounded and
// clamped: the same bytes as in a PNG, so an array and a folder of the same
// pictures score the same.
//
// Every header is read here; what only decoding shows is an error of Read. Errors
// name the file and are of kind fault.Data, or fault.Usage for a missing Range.
func Open(path string, o Options) (*Pictures, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.New(fault.Data, "", "open pictures: %w", err)
	}
	p := &Pictures{Path: path}
	if info.IsDir() {
		err = p.openFolder(o)
	} else {
		err = p.openArray(o)
	}
	if err != nil {
		return nil, err
	}
	p.hash = sha256.New()
	for _, n := range []int{p.N, p.H, p.W, p.C} {
		p.hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	return p, nil
}

// limit keeps the first n.
func (p *Pictures) limit(n int) error {
	if n < 0 || n > p.N {
		return fault.New(fault.Data, "", "%s: holds %d pictures, not %d", p.Path, p.N, n)
	}
	if n > 0 {
		p.N = n
	}
	return nil
}

// Close closes what Open opened.
func (p *Pictures) Close() error { return p.source.close() }

// Size is the bytes of a picture, H·W·C.
func (p *Pictures) Size() int { return p.H * p.W * p.C }

// Read decodes pictures lo, lo+1, ... until dst is full: (n,H,W,C) in 0…255, where
// n is len(dst)/Size(). Errors name the file, the first one in order that fails.
func (p *Pictures) Read(dst []uint8, lo int) error {
	n := len(dst) / p.Size()
	if len(dst)%p.Size() != 0 || lo < 0 || lo > p.N-n {
		return fmt.Errorf("%s: no pictures %d to %d among %d", p.Path, lo, lo+n, p.N)
	}
	if err := p.source.read(dst, lo); err != nil {
		return fault.New(fault.Data, "", "%w", err)
	}
	if lo <= p.hashed && p.hashed < lo+n { // reading on: the hash wants each once
		p.hash.Write(dst[(p.hashed-lo)*p.Size():])
		p.hashed = lo + n
	}
	return nil
}

// hashBytes is about what Hash decodes at a time.
const hashBytes = 1 << 22

// Hash is the SHA-256 of N, H, W, C and the pixels, in hex. Pictures that Read has
// not passed yet are decoded for it; after a pass from first to last it costs
// nothing.
func (p *Pictures) Hash(ctx context.Context) (string, error) {
	batch := max(1, hashBytes/p.Size())
	buf := make([]uint8, min(batch, p.N-p.hashed)*p.Size())
	for p.hashed < p.N {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n := min(batch, p.N-p.hashed)
		if err := p.Read(buf[:n*p.Size()], p.hashed); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(p.hash.Sum(nil)), nil
}

// checkSize refuses pictures without pixels, and those too large.
func checkSize(h, w int) error {
	if h < 1 || w < 1 || h > maxPixels/w {
		return fmt.Errorf("has %d×%d pixels, there may be 1 to %d", w, h, maxPixels)
	}
	return nil
}
