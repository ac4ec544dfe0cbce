package linalg

import (
	"fmt"

	"diffuse/internal/kernel"
)

// Rows are rows of features in float64, packed as the left or the right factor
// of a matrix of inner products (Dots).
type Rows struct {
	// Squares are the rows' squared lengths: infinite or NaN where a feature is,
	// and only there.
	Squares []float64

	right          bool
	kernels        *kernel.Set
	width          int // rows of a panel: a tile's rows or columns
	n, padded, dim int
	panels         []float64 // blocks of blockTerms features, each of them panels
	wide           []float64 // a panel's rows in float64, blockTerms apart
}

// NewLeft makes an empty left factor.
func NewLeft() *Rows { return new(Rows) }

// NewRight makes an empty right factor.
func NewRight() *Rows { return &Rows{right: true} }

// Load replaces the rows by those of x, back to back, dim features each; memory
// that was large enough is used again.
func (r *Rows) Load(x []float32, dim int) { r.load(kernel.Best(), x, dim) }

func (r *Rows) load(k *kernel.Set, x []float32, dim int) {
	rows, cols := k.Tile64()
	r.kernels, r.width = k, rows
	if r.right {
		r.width = cols
	}
	r.wide = atLeast(r.wide, r.width*blockTerms)
	r.n, r.dim = len(x)/dim, dim
	mustHave("X", x, r.n*dim)
	r.padded = roundUp(r.n, r.width)
	r.panels = atLeast(r.panels, r.padded*dim)
	r.Squares = atLeast(r.Squares, r.n)[:r.n]
	clear(r.Squares)
	for first := 0; first < dim; first += blockTerms {
		terms := min(blockTerms, dim-first)
		for i := 0; i < r.n; i += r.width {
			r.pack(r.panels[first*r.padded+i*terms:], x, i, first, terms)
		}
	}
}

// pack fills a panel with rows from i on, features first … first+terms-1, and
// adds to their squares.
func (r *Rows) pack(panel []float64, x []float32, i, first, terms int) {
	have := min(r.width, r.n-i)
	if have < r.width {
		clear(panel[:r.width*terms])
	}
	padded := roundUp(terms, kernel.Lanes64)
	var square [1]float64
	for k := range have {
		row := r.wide[k*blockTerms:][:padded]
		for j, v := range x[(i+k)*r.dim+first:][:terms] {
			row[j] = float64(v)
		}
		clear(row[terms:])
		r.kernels.Dots64(square[:], row, padded, row)
		r.Squares[i+k] += square[0]
	}
	r.kernels.Turn64(panel, r.width, r.wide, blockTerms, have, terms)
}

// DotsSize is how many elements Dots writes to, and how far apart rows lie.
func DotsSize(left, right *Rows) (size, ld int) { return left.padded * right.padded, right.padded }

// Dots writes inner products of rows of left and right, c[i·ld+j] in DotsSize's
// size and ld, for i < offset+j; others are undefined. An offset of left's number
// of rows is all, an offset of 0 what lies above the diagonal. Each is one sum in
// the order of the features, whatever rows stand beside it. It runs on the
// caller's goroutine.
func Dots(c []float64, left, right *Rows, offset int) {
	ld, dim := right.padded, left.dim
	most := min(roundUp(offset+ld, left.width), left.padded)
	if right.dim != dim {
		panic(fmt.Sprintf("linalg: rows of %d features times rows of %d", dim, right.dim))
	}
	clear(c[:most*ld])
	for first := 0; first < dim; first += blockTerms {
		terms := min(blockTerms, dim-first)
		a, b := left.panels[first*left.padded:], right.panels[first*right.padded:]
		for i := 0; i < most; i += blockRows {
			for j := 0; j < ld; j += right.width {
				end := min(i+blockRows, most, roundUp(offset+j+right.width, left.width))
				if end <= i {
					continue
				}
				left.kernels.AddTiles64(c[i*ld+j:], ld, 1, a[i*terms:end*terms], b[j*terms:][:right.width*terms], terms)
			}
		}
	}
}
