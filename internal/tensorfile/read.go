package tensorfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"diffuse/internal/fault"
)

// File is an open file of named tensors: their names and shapes in memory, their
// elements on disk.
type File struct {
	path    string
	f       io.ReaderAt
	close   func() error
	data    int64 // where the tensors begin in the file
	meta    map[string]string
	entries []entry
	byName  map[string]*entry
}

// entry is one tensor of the file.
type entry struct {
	name       string
	dtype      string
	shape      []int
	begin, end uint64       // bytes, from where the tensors begin
	strides    []int        // elements between neighbours along each dimension; nil: row-major without holes
	intact     func() error // compares the file's checksum; nil where it has none
}

// size is the bytes of an element, count the number of elements.
func (e *entry) size() int { return int(dtypeSize[e.dtype]) }
func (e *entry) count() int {
	n, _ := product(e.shape)
	return n
}

// OpenSafetensors reads and checks the header of a safetensors file: the tensors
// must tile the file's data exactly, each as long as its dtype and shape say.
// Errors name the file and the tensor and are of kind fault.Checkpoint.
func OpenSafetensors(path string) (*File, error) {
	return openFile(path, "", func(f io.ReaderAt, size int64) (*File, error) {
		h, err := readHeader(f, uint64(size))
		if err != nil {
			return nil, err
		}
		return newFile(f, h.size, h.meta, h.entries)
	})
}

// openFile opens the file at path, whose tensors list finds.
func openFile(path, hint string, list func(f io.ReaderAt, size int64) (*File, error)) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Checkpoint, "", "open tensors: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is not a file")
	}
	var file *File
	if err == nil {
		file, err = list(f, info.Size())
	}
	if err != nil {
		_ = f.Close()
		return nil, fault.New(fault.Checkpoint, hint, "%s: %w", path, err)
	}
	file.path, file.close = path, f.Close
	return file, nil
}

func newFile(f io.ReaderAt, data int64, meta map[string]string, entries []entry) (*File, error) {
	file := &File{f: f, data: data, meta: meta, entries: entries, byName: make(map[string]*entry, len(entries))}
	for i := range entries {
		e := &entries[i]
		if file.byName[e.name] != nil {
			return nil, fmt.Errorf("tensor %q stands twice", e.name)
		}
		file.byName[e.name] = e
	}
	return file, nil
}

// Close closes the file.
func (f *File) Close() error { return f.close() }

// Meta is the file's free text; empty if it has none.
func (f *File) Meta() map[string]string { return f.meta }

// Names lists the tensors in the order of a safetensors file's data, or of the
// dict that torch.save wrote.
func (f *File) Names() []string {
	names := make([]string, len(f.entries))
	for i, e := range f.entries {
		names[i] = e.name
	}
	return names
}

// Has tells whether the file holds the tensor.
func (f *File) Has(name string) bool { return f.byName[name] != nil }

// Shape is a tensor's shape, nil if there is no such tensor.
func (f *File) Shape(name string) []int {
	if e := f.byName[name]; e != nil {
		return slices.Clone(e.shape)
	}
	return nil
}

// DType is a tensor's dtype, such as "F32"; empty if there is no such tensor.
func (f *File) DType(name string) string {
	if e := f.byName[name]; e != nil {
		return e.dtype
	}
	return ""
}

// Read reads a tensor of dtype F32, F16, BF16 or F64 (rounded) as float32, row-major.
func (f *File) Read(name string) ([]float32, error) {
	e, err := f.find(name)
	if err != nil {
		return nil, err
	}
	if floatDecoders[e.dtype] == nil { // before memory is taken
		return nil, f.errorf(name, "is %s, not floating-point numbers", e.dtype)
	}
	dst := make([]float32, e.count())
	if err := f.ReadInto(dst, name); err != nil {
		return nil, err
	}
	return dst, nil
}

// ReadInto is Read into dst, which must be as long as the tensor.
func (f *File) ReadInto(dst []float32, name string) error {
	e, err := f.find(name)
	if err != nil {
		return err
	}
	decode := floatDecoders[e.dtype]
	if decode == nil {
		return f.errorf(name, "is %s, not floating-point numbers", e.dtype)
	}
	if len(dst) != e.count() {
		return f.errorf(name, "has %d elements (shape %v), not %d", e.count(), e.shape, len(dst))
	}
	if err := readElements(f, e, dst, decode); err != nil {
		return f.errorf(name, "%w", err)
	}
	return nil
}

// ReadInts reads a tensor of dtype I64, I32 or U8, row-major.
func (f *File) ReadInts(name string) ([]int64, error) {
	e, err := f.find(name)
	if err != nil {
		return nil, err
	}
	decode := intDecoders[e.dtype]
	if decode == nil {
		return nil, f.errorf(name, "is %s, not I64, I32 or U8", e.dtype)
	}
	dst := make([]int64, e.count())
	if err := readElements(f, e, dst, decode); err != nil {
		return nil, f.errorf(name, "%w", err)
	}
	return dst, nil
}

// readElements decodes a tensor's elements in row-major order.
func readElements[T any](f *File, e *entry, dst []T, decode func(dst []T, src []byte)) error {
	if e.intact != nil {
		if err := e.intact(); err != nil {
			return err
		}
	}
	if e.strides == nil {
		return readChunks(f.section(e), e.size(), dst, decode)
	}
	raw := make([]byte, e.end-e.begin) // no more than the file has
	if _, err := io.ReadFull(f.section(e), raw); err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	index := make([]int, len(e.shape))
	at := 0
	for i := range dst {
		decode(dst[i:i+1], raw[at*e.size():])
		for d := len(index) - 1; d >= 0; d-- { // the next index in row-major order
			index[d]++
			at += e.strides[d]
			if index[d] < e.shape[d] {
				break
			}
			at -= index[d] * e.strides[d]
			index[d] = 0
		}
	}
	return nil
}

// readChunks decodes elements of so many bytes through a small buffer, so that a
// tensor is in memory once.
func readChunks[T any](r io.Reader, size int, dst []T, decode func(dst []T, src []byte)) error {
	buf := make([]byte, min(chunk, len(dst)*size))
	for len(dst) > 0 {
		n := min(len(dst), chunk/size)
		if _, err := io.ReadFull(r, buf[:n*size]); err != nil {
			return fmt.Errorf("cannot be read: %w", err)
		}
		decode(dst[:n], buf)
		dst = dst[n:]
	}
	return nil
}

// section reads e's bytes.
func (f *File) section(e *entry) io.Reader {
	return io.NewSectionReader(f.f, f.data+int64(e.begin), int64(e.end-e.begin))
}

func (f *File) find(name string) (*entry, error) {
	if e := f.byName[name]; e != nil {
		return e, nil
	}
	return nil, f.errorf(name, "is not in the file")
}

func (f *File) errorf(name, format string, args ...any) error {
	return fault.New(fault.Checkpoint, "", "%s: tensor %q %w", f.path, name, fmt.Errorf(format, args...))
}

// ReadSafetensors is OpenSafetensors of a file's content, which errors call name.
func ReadSafetensors(name string, content []byte) (*File, error) {
	r := bytes.NewReader(content)
	h, err := readHeader(r, uint64(len(content)))
	var f *File
	if err == nil {
		f, err = newFile(r, h.size, h.meta, h.entries)
	}
	if err != nil {
		return nil, fault.New(fault.Checkpoint, "", "%s: %w", name, err)
	}
	f.path, f.close = name, func() error { return nil }
	return f, nil
}
