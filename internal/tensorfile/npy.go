package tensorfile

import (
	"encoding/binary"
	"fmt"
	"io"
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
		if _, err := io.WriteString(w, npyHeader("<f4", shape)); err != nil {
			return err
		}
		return writeFloats(w, data, false)
	})
}

// npyHeader is magic, version 1.0, length and dictionary, padded to npyAlign.
func npyHeader(descr string, shape []int) string {
	dims := strings.Trim(shapeJSON(shape), "[]")
	if len(shape) == 1 {
		dims += "," // a Python tuple of one
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, strings.ReplaceAll(dims, ",", ", "))
	const prefix = len(npyMagic) + 2 + 2
	padding := npyAlign - (prefix+len(dict)+1)%npyAlign
	dict += strings.Repeat(" ", padding%npyAlign) + "\n"
	length := binary.LittleEndian.AppendUint16(nil, uint16(len(dict)))
	return npyMagic + "\x01\x00" + string(length) + dict
}
