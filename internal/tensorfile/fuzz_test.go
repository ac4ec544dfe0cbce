package tensorfile

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// FuzzSafetensors demands of any bytes an error, or tensors that can all be read
// and take up the file exactly.
func FuzzSafetensors(f *testing.F) {
	for _, header := range []string{
		`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`,
		`{"__metadata__":{"k":"v"},"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}`,
		`{"b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},"a":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}`,
		`{"b":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}`,
	} {
		f.Add(header, make([]byte, 8), uint64(len(header)))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, header string, data []byte, length uint64) {
		path := filepath.Join(dir, "x.safetensors")
		content := append(binary.LittleEndian.AppendUint64(nil, length), header...)
		if err := os.WriteFile(path, append(content, data...), 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := OpenSafetensors(path)
		if err != nil {
			return
		}
		defer file.Close()
		total := 0
		for _, name := range file.Names() {
			floats, floatErr := file.Read(name)
			ints, intErr := file.ReadInts(name)
			if n, ok := product(file.Shape(name)); ok && floatErr == nil && len(floats) != n || intErr == nil && len(ints) != n {
				t.Errorf("%q of shape %v has %d or %d elements", name, file.Shape(name), len(floats), len(ints))
			}
			e := file.byName[name]
			total += e.count() * e.size()
		}
		if total != 8+len(header)+len(data)-int(file.data) {
			t.Errorf("tensors take %d bytes of %d behind the header", total, len(header)+len(data))
		}
	})
}

func FuzzNPY(f *testing.F) {
	f.Add([]byte(npyHeader([]int{2}) + "\x00\x00\x80\x3f\x00\x00\x00\x40"))
	f.Add([]byte(npyHeader(nil) + "\x00\x00\x80\x3f"))
	f.Add([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		shape, data, err := readNPY(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		if n, ok := product(shape); !ok || n != len(data) {
			t.Errorf("shape %v, %d elements", shape, len(data))
		}
	})
}
