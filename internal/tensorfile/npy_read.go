package tensorfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// NPY is an open npy file: its shape in memory, its elements on disk. Goroutines
// may read from it at the same time.
type NPY struct {
	path string
	f    io.ReaderAt
	e    entry // begin and end are counted from the file's beginning
	done func() error
}

// OpenNPY opens an npy file of float32, float64 or uint8, little-endian,
// row-major, of version 1 to 3. Errors name the file. (npyio takes a file's word
// for the header's length and reads a cut-off array as zeros.)
func OpenNPY(path string) (*NPY, error) {
	return openNPY(path, "<f4", "<f8", "|u1")
}

func openNPY(path string, descrs ...string) (*NPY, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is not a file")
	}
	var a *NPY
	if err == nil {
		a, err = newNPY(f, info.Size(), descrs...)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a.path, a.done = path, f.Close
	return a, nil
}

func newNPY(f io.ReaderAt, size int64, descrs ...string) (*NPY, error) {
	h, err := readNPYHeader(io.NewSectionReader(f, 0, size), size)
	if err != nil {
		return nil, err
	}
	e, err := h.entry(size, descrs...)
	return &NPY{f: f, e: e}, err
}

// Close closes the file.
func (a *NPY) Close() error { return a.done() }

// Shape is the array's shape; empty for a scalar.
func (a *NPY) Shape() []int { return slices.Clone(a.e.shape) }

// DType is F32, F64 or U8.
func (a *NPY) DType() string { return a.e.dtype }

// ReadFloats reads the elements from index at on, in row-major order, until dst is
// full; those of a float64 array are rounded.
func (a *NPY) ReadFloats(dst []float32, at int) error {
	return readNPYAt(a, dst, at, floatDecoders[a.e.dtype])
}

// ReadBytes is ReadFloats for an array of uint8.
func (a *NPY) ReadBytes(dst []uint8, at int) error {
	decode := func(dst []uint8, src []byte) { copy(dst, src) }
	if a.e.dtype != "U8" {
		decode = nil
	}
	return readNPYAt(a, dst, at, decode)
}

func readNPYAt[T any](a *NPY, dst []T, at int, decode func(dst []T, src []byte)) error {
	if decode == nil || at < 0 || at > a.e.count()-len(dst) {
		return fmt.Errorf("%s: has no %d elements of that kind at %d: its shape is %v, of %s", a.path, len(dst), at, a.e.shape, a.e.dtype)
	}
	size := int64(a.e.size())
	section := io.NewSectionReader(a.f, int64(a.e.begin)+int64(at)*size, int64(len(dst))*size)
	if err := readChunks(section, a.e.size(), dst, decode); err != nil {
		return fmt.Errorf("%s: %w", a.path, err)
	}
	return nil
}

// ReadNPY reads a whole npy file of float32 or float64 (rounded). Errors name the
// file.
func ReadNPY(path string) (shape []int, data []float32, err error) {
	a, err := openNPY(path, "<f4", "<f8")
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	data = make([]float32, a.e.count())
	if err := a.ReadFloats(data, 0); err != nil {
		return nil, nil, err
	}
	return a.e.shape, data, nil
}

// npyHead is what an npy file says of itself.
type npyHead struct {
	descr string
	shape []int
	begin int64 // where the elements begin
}

// npyDict is the dictionary as NumPy writes it: keys in this order.
var npyDict = regexp.MustCompile(`^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\),? ?\} *\n?$`)

// readNPYHeader reads the beginning of an npy file of so many bytes.
func readNPYHeader(r io.Reader, size int64) (npyHead, error) {
	text, begin, err := readNPYDict(r, size)
	if err != nil {
		return npyHead{}, err
	}
	m := npyDict.FindStringSubmatch(text)
	if m == nil {
		return npyHead{}, fmt.Errorf("npy header %.80q is not understood", text)
	}
	shape, err := parseNPYShape(m[3])
	if err != nil {
		return npyHead{}, err
	}
	if m[2] == "True" {
		return npyHead{}, errors.New("is column-major (fortran_order); save it with numpy.ascontiguousarray")
	}
	return npyHead{m[1], shape, begin}, nil
}

// readNPYDict returns the header's dictionary and where the elements begin.
func readNPYDict(r io.Reader, size int64) (text string, begin int64, err error) {
	head := make([]byte, 12)
	if size < int64(len(head)) {
		return "", 0, fmt.Errorf("is no npy file: it has %d bytes", size)
	}
	if _, err := io.ReadFull(r, head[:10]); err != nil {
		return "", 0, err
	}
	if string(head[:6]) != npyMagic {
		return "", 0, fmt.Errorf("is no npy file: it begins with %q", head[:6])
	}
	var length int64
	switch head[6] {
	case 1:
		length, begin = int64(binary.LittleEndian.Uint16(head[8:])), 10
	case 2, 3:
		if _, err := io.ReadFull(r, head[10:]); err != nil {
			return "", 0, err
		}
		length, begin = int64(binary.LittleEndian.Uint32(head[8:])), 12
	default:
		return "", 0, fmt.Errorf("npy version %d is not known", head[6])
	}
	if length > size-begin || length > math.MaxUint16 { // 64 dimensions fit easily
		return "", 0, fmt.Errorf("npy header of %d bytes does not fit a file of %d", length, size)
	}
	dict := make([]byte, length)
	if _, err := io.ReadFull(r, dict); err != nil {
		return "", 0, err
	}
	return string(dict), begin + length, nil
}

func parseNPYShape(text string) (shape []int, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil // a scalar
	}
	for dim := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(text), ","), ",") {
		d, err := strconv.Atoi(strings.TrimSpace(dim))
		if err != nil || len(shape) == maxDims {
			return nil, fmt.Errorf("shape (%s) is not possible", text)
		}
		shape = append(shape, d)
	}
	return shape, nil
}

var npyDTypes = map[string]string{"<f4": "F32", "<f8": "F64", "|u1": "U8", "<i8": "I64"}

var errObjects = errors.New("holds Python objects, which would have to be unpickled: they are not read")

// entry is the array as a piece of a file of so many bytes; its elements must be
// of one of descrs and take up the file to its end.
func (h npyHead) entry(size int64, descrs ...string) (entry, error) {
	e := entry{dtype: npyDTypes[h.descr], shape: h.shape, begin: uint64(h.begin), end: uint64(size)}
	if h.descr == "|O" {
		return e, errObjects
	}
	if !slices.Contains(descrs, h.descr) {
		return e, fmt.Errorf("elements are %q, not %s", h.descr, strings.Join(descrs, " or "))
	}
	bytes, err := e.bytes()
	if err == nil && bytes != e.end-e.begin {
		err = fmt.Errorf("shape %v of %s takes %d bytes, there are %d: cut off, or something follows", e.shape, e.dtype, bytes, e.end-e.begin)
	}
	return e, err
}
