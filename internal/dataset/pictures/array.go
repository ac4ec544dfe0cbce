package pictures

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"diffuse/internal/fault"
	"diffuse/internal/tensorfile"
)

// array is a source of one NumPy file.
type array struct {
	path    string
	file    *tensorfile.NPY
	h, w, c int
	planes  bool // (n,c,h,w), not (n,h,w,c)
	lo, hi  float64
}

func (p *Pictures) openArray(o Options) error {
	if strings.ToLower(filepath.Ext(p.Path)) != ".npy" {
		return fault.New(fault.Data, "", "%s: is neither a folder nor a .npy file", p.Path)
	}
	file, err := tensorfile.OpenNPY(p.Path)
	if err != nil {
		return fault.New(fault.Data, "pictures are uint8 or float32, saved by numpy.save", "%w", err)
	}
	a := &array{path: p.Path, file: file, lo: o.Range[0], hi: o.Range[1]}
	if err = a.check(); err == nil {
		p.N, p.H, p.W, p.C, p.source = file.Shape()[0], a.h, a.w, a.c, a
		err = p.limit(o.N)
	}
	if err != nil {
		_ = file.Close()
	}
	return err
}

// check finds the layout from the shape.
func (a *array) check() error {
	shape := a.file.Shape()
	channels := func(d int) bool { return d == 1 || d == 3 }
	switch {
	case len(shape) == 3:
		a.h, a.w, a.c = shape[1], shape[2], 1
	case len(shape) == 4 && channels(shape[1]) && channels(shape[3]):
		return fault.New(fault.Data, "", "%s: shape %v may be (n,c,h,w) or (n,h,w,c)", a.path, shape)
	case len(shape) == 4 && channels(shape[3]):
		a.h, a.w, a.c = shape[1], shape[2], shape[3]
	case len(shape) == 4 && channels(shape[1]):
		a.c, a.h, a.w, a.planes = shape[1], shape[2], shape[3], true
	default:
		return fault.New(fault.Data, "", "%s: shape %v is none of (n,h,w), (n,h,w,c), (n,c,h,w) with c 1 or 3", a.path, shape)
	}
	if shape[0] == 0 {
		return fault.New(fault.Data, "", "%s: holds no pictures", a.path)
	}
	if err := checkSize(a.h, a.w); err != nil {
		return fault.New(fault.Data, "", "%s: %w", a.path, err)
	}
	if a.file.DType() == "U8" {
		return nil
	}
	if a.lo == a.hi {
		return fault.New(fault.Usage, "the range is what black and white are, such as 0,1 or -1,1", "%s: holds floats, whose range must be given", a.path)
	}
	if !(a.lo < a.hi) || math.IsInf(a.hi-a.lo, 0) {
		return fault.New(fault.Usage, "", "range [%v, %v] does not increase", a.lo, a.hi)
	}
	return nil
}

func (a *array) read(dst []uint8, lo int) error {
	size := a.h * a.w * a.c
	raw, floats := make([]uint8, size), make([]float32, size)
	for i := range len(dst) / size {
		at := (lo + i) * size
		if a.file.DType() == "U8" {
			if err := a.file.ReadBytes(raw, at); err != nil {
				return err
			}
		} else {
			if err := a.file.ReadFloats(floats, at); err != nil {
				return err
			}
			if err := a.toBytes(raw, floats); err != nil {
				return fmt.Errorf("%s: picture %d %w", a.path, lo+i, err)
			}
		}
		a.interleave(dst[i*size:(i+1)*size], raw)
	}
	return nil
}

// farOutside is how many widths of the range a pixel may lie beyond it. A net's
// pictures leave their range a little and are clamped; 0…255 taken for 0…1 would
// be clamped to white.
const farOutside = 50

// toBytes scales from the range to 0…255, rounds and clamps, as PNGs are written.
func (a *array) toBytes(dst []uint8, x []float32) error {
	scale := 255 / (a.hi - a.lo)
	for i, v := range x {
		y := math.Round((float64(v) - a.lo) * scale)
		switch {
		case math.IsNaN(y):
			return fmt.Errorf("has a pixel that is %v", v)
		case math.Abs(y) > farOutside*255:
			return fmt.Errorf("has a pixel %v, far outside of the range [%v, %v]", v, a.lo, a.hi)
		}
		dst[i] = uint8(max(0, min(y, 255)))
	}
	return nil
}

// interleave writes a picture channels last.
func (a *array) interleave(dst, src []uint8) {
	if !a.planes {
		copy(dst, src)
		return
	}
	area := a.h * a.w
	for c := range a.c {
		for i, v := range src[c*area : (c+1)*area] {
			dst[i*a.c+c] = v
		}
	}
}

func (a *array) close() error { return a.file.Close() }
