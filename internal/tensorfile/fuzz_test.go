package tensorfile

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
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

// FuzzTorch demands of any pickle, in both of torch.save's forms, an error, or
// tensors that can all be read and are no larger than the data.
func FuzzTorch(f *testing.F) {
	const keys = "\x80\x02]X\x01\x00\x00\x000a."
	tensor := tensorOf(storage4, "K\x00", "K\x02K\x02\x86", "K\x01K\x02\x86")
	for _, pickle := range []string{dict(tensor), dict("](" + tensor + "q\x01h\x01e"), dict("ctorch._utils\n_rebuild_parameter\n" + tensor + "\x88}\x87R")} {
		f.Add([]byte(pickle), []byte(keys), floats4)
		f.Add([]byte(strings.ReplaceAll(pickle, "K\x04tQ", "K\x04NtQ")), []byte(keys), floats4)
	}
	f.Fuzz(func(t *testing.T, pickle, keys, data []byte) {
		for _, content := range [][]byte{archive(t, string(pickle), data), stream(string(pickle), string(keys), data)} {
			file, err := newTorchFile(bytes.NewReader(content), int64(len(content)))
			if err != nil {
				continue
			}
			for _, name := range file.Names() {
				floats, floatErr := file.Read(name)
				ints, intErr := file.ReadInts(name)
				n, ok := product(file.Shape(name))
				if !ok || floatErr == nil && len(floats) != n || intErr == nil && len(ints) != n {
					t.Errorf("%q of shape %v has %d or %d elements", name, file.Shape(name), len(floats), len(ints))
				}
				if n*file.byName[name].size() > len(data) {
					t.Errorf("%q of shape %v from %d bytes", name, file.Shape(name), len(data))
				}
			}
		}
	})
}

func FuzzNPY(f *testing.F) {
	f.Add([]byte(npyHeader("<f4", []int{2}) + "\x00\x00\x80\x3f\x00\x00\x00\x40"))
	f.Add([]byte(npyHeader("<f4", nil) + "\x00\x00\x80\x3f"))
	f.Add([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		a, err := newNPY(bytes.NewReader(content), int64(len(content)), "<f4", "<f8", "|u1")
		if err != nil {
			return
		}
		n, ok := product(a.Shape())
		if !ok || n*a.e.size() > len(content) {
			t.Fatalf("shape %v of %s from %d bytes", a.Shape(), a.DType(), len(content))
		}
		if a.DType() == "U8" {
			err = a.ReadBytes(make([]uint8, n), 0)
		} else {
			err = a.ReadFloats(make([]float32, n), 0)
		}
		if err != nil {
			t.Error(err)
		}
	})
}
