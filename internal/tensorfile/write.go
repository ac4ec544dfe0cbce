// Package tensorfile reads and writes tensors: safetensors for weights and
// training state, PyTorch's files for weights, npy for users' arrays, npz for
// statistics. Files come from anywhere: every length and offset is checked against
// the file's size before memory is taken for it.
package tensorfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"diffuse/internal/atomicfile"
)

// Tensor is one named tensor to write, as F32 or, rounded to nearest even, BF16.
type Tensor struct {
	BF16  bool
	Name  string
	Shape []int               // row-major; empty for a scalar
	Data  []float32           // as many elements as Shape's product
	Fill  func(dst []float32) // instead of Data: writes the elements when their turn comes, so that one tensor at a time is converted
}

// metadataKey is the header's key for free text; no tensor may be called so.
const metadataKey = "__metadata__"

// WriteSafetensors writes ts in their order, with meta sorted by key, so equal
// arguments make equal bytes. The data starts at a multiple of 8 bytes. A file
// that stood at path stays whole unless the new one is complete on the disk.
//
// Source: the format's description in the safetensors README ("Format").
func WriteSafetensors(path string, meta map[string]string, ts []Tensor) error {
	header, err := encodeHeader(meta, ts)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		if err := binary.Write(w, binary.LittleEndian, uint64(len(header))); err != nil {
			return err
		}
		if _, err := w.Write(header); err != nil {
			return err
		}
		return writeAll(w, ts)
	})
}

// encodeHeader is the JSON header, padded with spaces to a multiple of 8 bytes.
func encodeHeader(meta map[string]string, ts []Tensor) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(meta) > 0 {
		b.WriteString(quote(metadataKey) + ":{")
		for i, k := range slices.Sorted(maps.Keys(meta)) {
			if !utf8.ValidString(k) || !utf8.ValidString(meta[k]) {
				return nil, fmt.Errorf("metadata %q is not UTF-8", k)
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quote(k) + ":" + quote(meta[k]))
		}
		b.WriteByte('}')
	}
	seen := make(map[string]bool, len(ts))
	offset := 0
	for i, t := range ts {
		if err := t.check(); err != nil {
			return nil, err
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor %q stands twice", t.Name)
		}
		seen[t.Name] = true
		if i > 0 || len(meta) > 0 {
			b.WriteByte(',')
		}
		dtype := "F32"
		if t.BF16 {
			dtype = "BF16"
		}
		end := offset + int(dtypeSize[dtype])*t.count()
		fmt.Fprintf(&b, `%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, quote(t.Name), dtype, shapeJSON(t.Shape), offset, end)
		offset = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	return b.Bytes(), nil
}

func (t Tensor) check() error {
	if t.Name == metadataKey || !utf8.ValidString(t.Name) {
		return fmt.Errorf("tensor name %q is not allowed", t.Name)
	}
	n, ok := product(t.Shape)
	if !ok || n > math.MaxInt/4 {
		return fmt.Errorf("tensor %q: shape %v is not possible", t.Name, t.Shape)
	}
	if t.Fill == nil && len(t.Data) != n {
		return fmt.Errorf("tensor %q: shape %v needs %d elements, there are %d", t.Name, t.Shape, n, len(t.Data))
	}
	return nil
}

func (t Tensor) count() int {
	n, _ := product(t.Shape)
	return n
}

// product is the number of elements of a shape; false where it is negative or overflows.
func product(shape []int) (int, bool) {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		if d > 0 && n > math.MaxInt/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// writeAll writes the tensors' elements, a tensor made by Fill through one
// buffer that all of them share.
func writeAll(w io.Writer, ts []Tensor) error {
	var filled []float32
	for _, t := range ts {
		data := t.Data
		if t.Fill != nil {
			filled = slices.Grow(filled[:0], t.count())[:t.count()]
			clear(filled)
			t.Fill(filled)
			data = filled
		}
		if err := writeFloats(w, data, t.BF16); err != nil {
			return err
		}
	}
	return nil
}

// chunk is how many bytes are converted at a time, on the way in and out.
const chunk = 1 << 16

// writeFloats writes data as little-endian float32 or bfloat16.
func writeFloats(w io.Writer, data []float32, bf16 bool) error {
	buf := make([]byte, 0, chunk)
	for len(data) > 0 {
		n := min(len(data), chunk/4)
		buf = buf[:0]
		for _, v := range data[:n] {
			if bits := math.Float32bits(v); bf16 {
				buf = binary.LittleEndian.AppendUint16(buf, bfloat16(bits))
			} else {
				buf = binary.LittleEndian.AppendUint32(buf, bits)
			}
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// bfloat16 is the upper half of a float32's bits, rounded to nearest even; a NaN
// stays one.
func bfloat16(bits uint32) uint16 {
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}

func shapeJSON(shape []int) string {
	b := []byte{'['}
	for i, d := range shape {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(d), 10)
	}
	return string(append(b, ']'))
}
