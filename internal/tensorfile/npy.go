package tensorfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"diffuse/internal/atomicfile"
)

// npyMagic opens every npy file; two bytes of version follow.
const npyMagic = "\x93NUMPY"

// npyAlign is the multiple at which the data begins, so that it can be mapped.
const npyAlign = 64

// WriteNPY writes a float32 array of any shape, row-major, as npy version 1.0.
// A file that stood at path stays whole unless the new one is complete.
//
// Source: NumPy Enhancement Proposal 1. sbinet/npyio writes a slice as one
// dimension only; our tests read these files back with it.
func WriteNPY(path string, shape []int, data []float32) error {
	if n, ok := product(shape); !ok || n != len(data) {
		return fmt.Errorf("write %s: shape %v does not hold %d elements", path, shape, len(data))
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, npyHeader(shape)); err != nil {
			return err
		}
		return writeFloats(w, data, false)
	})
}

// npyHeader is magic, version 1.0, length and dictionary, padded to npyAlign.
func npyHeader(shape []int) string {
	dims := strings.Trim(shapeJSON(shape), "[]")
	if len(shape) == 1 {
		dims += "," // a Python tuple of one
	}
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", strings.ReplaceAll(dims, ",", ", "))
	const prefix = len(npyMagic) + 2 + 2
	padding := npyAlign - (prefix+len(dict)+1)%npyAlign
	dict += strings.Repeat(" ", padding%npyAlign) + "\n"
	length := binary.LittleEndian.AppendUint16(nil, uint16(len(dict)))
	return npyMagic + "\x01\x00" + string(length) + dict
}

// ReadNPY reads an npy file of float32 or float64 (rounded), little-endian,
// row-major, of version 1 to 3. Errors name the file. (npyio takes a file's word
// for the header's length and reads a cut-off array as zeros.)
func ReadNPY(path string) (shape []int, data []float32, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if shape, data, err = readNPY(f, info.Size()); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return shape, data, nil
}

func readNPY(r io.ReaderAt, size int64) ([]int, []float32, error) {
	text, begin, err := readNPYHeader(r, size)
	if err != nil {
		return nil, nil, err
	}
	dtype, shape, err := parseNPYHeader(text)
	if err != nil {
		return nil, nil, err
	}
	e := &entry{dtype: dtype, shape: shape, end: uint64(size - begin)}
	if err := e.check(); err != nil {
		return nil, nil, err
	}
	data := make([]float32, e.count())
	if err := readChunks(io.NewSectionReader(r, begin, size-begin), e.size(), data, floatDecoders[dtype]); err != nil {
		return nil, nil, err
	}
	return shape, data, nil
}

// readNPYHeader returns the header's dictionary and where the data begins.
func readNPYHeader(r io.ReaderAt, size int64) (text string, begin int64, err error) {
	head := make([]byte, 12)
	if size < int64(len(head)) {
		return "", 0, fmt.Errorf("is no npy file: it has %d bytes", size)
	}
	if _, err := r.ReadAt(head, 0); err != nil {
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
		length, begin = int64(binary.LittleEndian.Uint32(head[8:])), 12
	default:
		return "", 0, fmt.Errorf("npy version %d is not known", head[6])
	}
	if length > size-begin || length > math.MaxUint16 { // 64 dimensions fit easily
		return "", 0, fmt.Errorf("npy header of %d bytes does not fit a file of %d", length, size)
	}
	dict := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(r, begin, length), dict); err != nil {
		return "", 0, err
	}
	return string(dict), begin + length, nil
}

// npyDict is the dictionary as NumPy writes it: keys in this order.
var npyDict = regexp.MustCompile(`^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\),? ?\} *\n?$`)

var npyDTypes = map[string]string{"<f4": "F32", "<f8": "F64"}

func parseNPYHeader(text string) (dtype string, shape []int, err error) {
	m := npyDict.FindStringSubmatch(text)
	if m == nil {
		return "", nil, fmt.Errorf("npy header %.80q is not understood", text)
	}
	if dtype = npyDTypes[m[1]]; dtype == "" {
		return "", nil, fmt.Errorf("elements are %q, not <f4 or <f8", m[1])
	}
	if m[2] == "True" {
		return "", nil, errors.New("is column-major (fortran_order); save it with numpy.ascontiguousarray")
	}
	for dim := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(m[3]), ","), ",") {
		dim = strings.TrimSpace(dim)
		if dim == "" && strings.TrimSpace(m[3]) == "" {
			break // a scalar
		}
		d, err := strconv.Atoi(dim)
		if err != nil || len(shape) == maxDims {
			return "", nil, fmt.Errorf("shape (%s) is not possible", m[3])
		}
		shape = append(shape, d)
	}
	return dtype, shape, nil
}
