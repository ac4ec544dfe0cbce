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

// File is an open safetensors file: its header in memory, its tensors on disk.
type File struct {
	path    string
	f       io.ReaderAt
	close   func() error
	data    int64 // where the tensors begin in the file
	meta    map[string]string
	entries []entry // by position in the file
	byName  map[string]*entry
}

// entry is one tensor of the header.
type entry struct {
	name       string
	dtype      string
	shape      []int
	begin, end uint64 // bytes, from the end of the header
}

// size is the bytes of an element, count the number of elements.
func (e *entry) size() int  { return int(dtypeSize[e.dtype]) }
func (e *entry) count() int { return int(e.end-e.begin) / e.size() }

// OpenSafetensors reads and checks the header of a safetensors file: the tensors
// must tile the file's data exactly, each as long as its dtype and shape say.
// Errors name the file and the tensor and are of kind fault.Checkpoint.
func OpenSafetensors(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Checkpoint, "", "open tensors: %w", err)
	}
	h, err := headerOf(f)
	if err != nil {
		_ = f.Close()
		return nil, fault.New(fault.Checkpoint, "", "%s: %w", path, err)
	}
	return newFile(path, f, h, f.Close), nil
}

func headerOf(f *os.File) (*header, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a file")
	}
	return readHeader(f, uint64(info.Size()))
}

func newFile(path string, f io.ReaderAt, h *header, closing func() error) *File {
	file := &File{path: path, f: f, close: closing, data: h.size, meta: h.meta, entries: h.entries}
	file.byName = make(map[string]*entry, len(h.entries))
	for i := range h.entries {
		file.byName[h.entries[i].name] = &file.entries[i]
	}
	return file
}

// Close closes the file.
func (f *File) Close() error { return f.close() }

// Meta is the file's free text; empty if it has none.
func (f *File) Meta() map[string]string { return f.meta }

// Names lists the tensors in the order their data stands in the file.
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
	if err := readChunks(f.section(e), e.size(), dst, decode); err != nil {
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
	if err := readChunks(f.section(e), e.size(), dst, decode); err != nil {
		return nil, f.errorf(name, "%w", err)
	}
	return dst, nil
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
	h, err := readHeader(bytes.NewReader(content), uint64(len(content)))
	if err != nil {
		return nil, fault.New(fault.Checkpoint, "", "%s: %w", name, err)
	}
	return newFile(name, bytes.NewReader(content), h, func() error { return nil }), nil
}
