package tensorfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"diffuse/internal/fault"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// raw writes a file with this header and data bytes, whatever they say.
func raw(t testing.TB, header string, data []byte) string {
	t.Helper()
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return file(t, append(append(b, header...), data...))
}

func file(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string) *File {
	t.Helper()
	f, err := OpenSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSafetensorsBytes(t *testing.T) {
	// The expected bytes are the format's, written out by hand.
	path := filepath.Join(t.TempDir(), "w.safetensors")
	err := WriteSafetensors(path, map[string]string{"z": "2", "a": "é\"<"}, []Tensor{
		{Name: "b", Shape: []int{2, 1}, Data: []float32{1, -2}},
		{Name: "a", Shape: nil, Fill: func(dst []float32) { dst[0] = 0.5 }},
		{Name: "none", Shape: []int{3, 0}},
	})
	if err != nil {
		t.Fatal(err)
	}
	header := `{"__metadata__":{"a":"é\"\u003c","z":"2"},` +
		`"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},` +
		`"a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},` +
		`"none":{"dtype":"F32","shape":[3,0],"data_offsets":[12,12]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	want := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	want = append(want, header...)
	want = append(want, "\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x00\x3f"...)
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("bytes differ (-want +got):\n%s", diff)
	}
}

func TestSafetensorsRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	rapid.Check(t, func(rt *rapid.T) {
		meta := rapid.MapOf(rapid.String(), rapid.String()).Draw(rt, "meta")
		names := rapid.SliceOfNDistinct(rapid.String(), 0, 5, rapid.ID).Draw(rt, "names")
		var ts []Tensor
		for _, name := range names {
			shape := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 4).Draw(rt, "shape")
			n, _ := product(shape)
			bits := rapid.SliceOfN(rapid.Uint32(), n, n).Draw(rt, "bits")
			data := make([]float32, n)
			for i, b := range bits {
				data[i] = math.Float32frombits(b)
			}
			ts = append(ts, Tensor{Name: name, Shape: shape, Data: data})
		}
		if err := WriteSafetensors(path, meta, ts); err != nil {
			rt.Fatal(err)
		}
		f, err := OpenSafetensors(path)
		if err != nil {
			rt.Fatal(err)
		}
		defer f.Close()
		if diff := cmp.Diff(meta, f.Meta()); diff != "" {
			rt.Fatalf("metadata differs:\n%s", diff)
		}
		if len(f.Names()) != len(names) {
			rt.Fatalf("names %q, want %q", f.Names(), names)
		}
		for _, tensor := range ts {
			got, err := f.Read(tensor.Name)
			if err != nil {
				rt.Fatal(err)
			}
			if fmt.Sprint(f.Shape(tensor.Name)) != fmt.Sprint(tensor.Shape) {
				rt.Fatalf("shape %v, want %v", f.Shape(tensor.Name), tensor.Shape)
			}
			for i, v := range tensor.Data { // by bits: a NaN's payload must survive
				if math.Float32bits(v) != math.Float32bits(got[i]) {
					rt.Fatalf("%q[%d] = %x, want %x", tensor.Name, i, math.Float32bits(got[i]), math.Float32bits(v))
				}
			}
		}
	})
}

func TestSafetensorsLongTensor(t *testing.T) {
	// Longer than a chunk and no multiple of one.
	data := make([]float32, 3*chunk/4+7)
	for i := range data {
		data[i] = float32(i)
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := WriteSafetensors(path, nil, []Tensor{{Name: "x", Shape: []int{len(data)}, Data: data}}); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).Read("x")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(data, got); diff != "" {
		t.Error("data differs")
	}
}

// TestWriteSafetensorsStreams measures that tensors made by Fill share one buffer.
func TestWriteSafetensorsStreams(t *testing.T) {
	const n, tensors = 1 << 20, 8
	var ts []Tensor
	for i := range tensors {
		ts = append(ts, Tensor{Name: strconv.Itoa(i), Shape: []int{n}, Fill: func(dst []float32) { dst[n-1] = float32(i) }})
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := WriteSafetensors(path, nil, ts); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 4*n*2 {
		t.Errorf("writing %d tensors of %d bytes took %d bytes of memory", tensors, 4*n, taken)
	}
	f := open(t, path)
	for i := range tensors {
		data, err := f.Read(strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		if data[n-1] != float32(i) || data[0] != 0 {
			t.Errorf("tensor %d ends with %v", i, data[n-1])
		}
	}
}

func TestSafetensorsDTypes(t *testing.T) {
	header := `{"h":{"dtype":"F16","shape":[6],"data_offsets":[0,12]},` +
		`"b":{"dtype":"BF16","shape":[2],"data_offsets":[12,16]},` +
		`"d":{"dtype":"F64","shape":[1],"data_offsets":[16,24]},` +
		`"l":{"dtype":"I64","shape":[1],"data_offsets":[24,32]},` +
		`"i":{"dtype":"I32","shape":[1],"data_offsets":[32,36]},` +
		`"u":{"dtype":"U8","shape":[2],"data_offsets":[36,38]}}`
	data := []byte("\x00\x3c\x01\x00\xff\x7b\x00\xfc\x00\x80\x55\x35" + // IEEE 754's examples of binary16
		"\x80\x3f\x49\xc0" + // 1, -3.140625
		"\x00\x00\x00\x00\x00\x00\x04\x40" + // 2.5
		"\xfe\xff\xff\xff\xff\xff\xff\xff" + "\xfd\xff\xff\xff" + "\x07\xff")
	f := open(t, raw(t, header, data))
	floats := map[string][]float32{
		"h": {1, 0x1p-24, 65504, float32(math.Inf(-1)), float32(math.Copysign(0, -1)), 0.33325195},
		"b": {1, -3.140625},
		"d": {2.5},
	}
	for name, want := range floats {
		got, err := f.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Errorf("%s[%d] = %v, want %v", name, i, got[i], want[i])
			}
		}
	}
	for name, want := range map[string][]int64{"l": {-2}, "i": {-3}, "u": {7, 255}} {
		got, err := f.ReadInts(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, err := range []error{
		second(f.Read("l")), second(f.ReadInts("h")), second(f.Read("missing")), f.ReadInto(make([]float32, 3), "d"),
	} {
		if fault.Code(err) != int(fault.Checkpoint) {
			t.Errorf("%v: code %d, want %d", err, fault.Code(err), fault.Checkpoint)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestSafetensorsHalf compares every finite half with its value from the definition.
func TestSafetensorsHalf(t *testing.T) {
	for h := range 1 << 16 {
		exponent, fraction := h>>10&31, float64(h&1023)
		if exponent == 31 {
			continue
		}
		want := math.Ldexp(1+fraction/1024, exponent-15)
		if exponent == 0 {
			want = math.Ldexp(fraction/1024, -14)
		}
		if h>>15 == 1 {
			want = -want
		}
		if got := halfToFloat32(uint16(h)); float64(got) != want {
			t.Fatalf("half %#04x = %v, want %v", h, got, want)
		}
	}
}

func TestSafetensorsBadInput(t *testing.T) {
	one := `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	cases := []struct {
		name, header string
		data         int
		want         string
	}{
		{"cut off data", "{" + one + "}", 7, "truncated"},
		{"trailing garbage", "{" + one + "}", 9, "1 bytes follow"},
		{"twice", "{" + one + "," + one + "}", 8, `"a" stands twice`},
		{"twice by escape", "{" + one + "," + strings.Replace(one, "a", `\u0061`, 1) + "}", 8, `"a" stands twice`},
		{"overlap", "{" + one + `,"b":{"dtype":"U8","shape":[5],"data_offsets":[4,9]}}`, 9, `"b" begins at byte 4, inside`},
		{"same place", "{" + one + `,"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8, "inside"},
		{"hole", "{" + one + `,"b":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}}`, 10, "leaving a hole after byte 8"},
		{"hole at first", `{"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2, "leaving a hole after byte 0"},
		{"backwards", `{"b":{"dtype":"U8","shape":[1],"data_offsets":[2,1]}}`, 2, "backwards"},
		{"length differs", `{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}`, 8, "takes 4 bytes"},
		{"shape overflows", `{"b":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}`, 0, "overflows"},
		{"shape overflows by the element's size", `{"b":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}`, 0, "overflows"},
		{"dimension too large", `{"b":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,0]}}`, 0, "too large"},
		{"negative dimension", `{"b":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}`, 8, "-1 is not a whole number"},
		{"fraction", `{"b":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}`, 8, "2.0 is not a whole number"},
		{"offset overflows", `{"b":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551616,1]}}`, 1, "is not a whole number"},
		{"offset at the end of uint64", `{"b":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}}`, 1, "ends at byte"},
		{"one offset", `{"b":{"dtype":"U8","shape":[1],"data_offsets":[1]}}`, 1, "not 2"},
		{"unknown dtype", `{"b":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}`, 4, "F31 is not known"},
		{"dtype no text", `{"b":{"dtype":3,"shape":[1],"data_offsets":[0,4]}}`, 4, "3 is not known"},
		{"no dtype", `{"b":{"shape":[1],"data_offsets":[0,4]}}`, 4, "no dtype"},
		{"no offsets", `{"b":{"dtype":"F32","shape":[1]}}`, 4, "no data_offsets"},
		{"key twice", `{"b":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, `"dtype" stands twice`},
		{"unknown key", `{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":[[[[]]]]}}`, 4, `"x": is not part`},
		{"65 dimensions", `{"b":{"dtype":"F32","shape":[` + strings.Repeat("1,", 64) + `1],"data_offsets":[0,4]}}`, 4, "more than 64"},
		{"metadata no text", `{"__metadata__":{"a":1}}`, 0, "not text"},
		{"metadata twice", `{"__metadata__":{"a":"1"},"__metadata__":{}}`, 0, "stands twice"},
		{"not UTF-8", "{\"\xff\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "not UTF-8"},
		{"not JSON", `{"a":}`, 0, "header"},
		{"array", `[]`, 0, "does not begin with {"},
		{"leading space", ` {}`, 0, "does not begin with {"},
		{"empty header", ``, 0, "does not begin with {"},
		{"cut off header", `{"a":{"dtype"`, 0, "cut off"},
		{"two objects", `{}{}`, 0, "after the closing }"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := OpenSafetensors(raw(t, c.header, make([]byte, c.data)))
			if err == nil {
				f.Close()
				t.Fatal("no error")
			}
			checkError(t, err, c.want)
		})
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.safetensors") {
		t.Errorf("error %q does not name the file and %q", err, want)
	}
	if fault.Code(err) != int(fault.Checkpoint) {
		t.Errorf("error %q has code %d, want %d", err, fault.Code(err), fault.Checkpoint)
	}
}

func TestSafetensorsBadLength(t *testing.T) {
	for _, c := range []struct {
		content, want string
	}{
		{"", "0 bytes"},
		{"\x02\x00\x00\x00\x00\x00\x00", "7 bytes"},
		{"\x03\x00\x00\x00\x00\x00\x00\x00{}", "larger than the file"},
		{"\xff\xff\xff\xff\xff\xff\xff\xff{}", "larger than the file"},
		{"\xf8\xff\xff\xff\xff\xff\xff\xff{}", "larger than the file"}, // 8 + length wraps to 0
	} {
		_, err := OpenSafetensors(file(t, []byte(c.content)))
		if err == nil {
			t.Fatalf("%q: no error", c.content)
		}
		checkError(t, err, c.want)
	}
	huge := file(t, []byte("\x01\xe1\xf5\x05\x00\x00\x00\x00{")) // 100,000,001: over the format's limit
	if err := os.Truncate(huge, 200_000_000); err != nil {
		t.Fatal(err)
	}
	_, err := OpenSafetensors(huge)
	checkError(t, err, "larger than the format allows")
	_, err = OpenSafetensors(filepath.Join(t.TempDir(), "x.safetensors"))
	checkError(t, err, "open tensors")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v does not wrap os.ErrNotExist", err)
	}
	_, err = OpenSafetensors(t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestSafetensorsCutOffAfterOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := WriteSafetensors(path, nil, []Tensor{{Name: "a", Shape: []int{2}, Data: []float32{1, 2}}}); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-1); err != nil {
		t.Fatal(err)
	}
	_, err = f.Read("a")
	checkError(t, err, `tensor "a" cannot be read`)
}

func TestWriteSafetensorsRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	a := Tensor{Name: "a", Shape: []int{1}, Data: []float32{1}}
	for name, ts := range map[string][]Tensor{
		"twice":      {a, a},
		"too short":  {{Name: "a", Shape: []int{2}, Data: []float32{1}}},
		"negative":   {{Name: "a", Shape: []int{-1, -1}, Data: []float32{1}}},
		"overflow":   {{Name: "a", Shape: []int{math.MaxInt, 3}}},
		"metadata":   {{Name: metadataKey}},
		"not UTF-8":  {{Name: "\xff", Shape: []int{1}, Data: []float32{1}}},
		"huge bytes": {{Name: "a", Shape: []int{math.MaxInt / 2}, Fill: func([]float32) {}}},
	} {
		if err := WriteSafetensors(path, nil, ts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := WriteSafetensors(path, map[string]string{"a": "\xff"}, nil); err == nil {
		t.Error("metadata that is not UTF-8: no error")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused file was written")
	}
}

// BF16 keeps the upper half of a float32, rounded to nearest even.
func TestWriteBF16(t *testing.T) {
	path := filepath.Join(t.TempDir(), "half.safetensors")
	x := []float32{1, -2.5, 1 + 0x1p-8, 1 + 3*0x1p-8, 1 + 0x1p-8 + 0x1p-20, float32(math.Inf(1)), math.MaxFloat32}
	want := []float32{1, -2.5, 1, 1 + 0x1p-6, 1 + 0x1p-7, float32(math.Inf(1)), float32(math.Inf(1))}
	if err := WriteSafetensors(path, nil, []Tensor{{Name: "x", Shape: []int{7}, Data: x, BF16: true}, {Name: "nan", Shape: []int{1}, Data: []float32{math.Float32frombits(0x7f800001)}, BF16: true}}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ReadSafetensors("the content", content)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Read("x")
	if err != nil || f.DType("x") != "BF16" {
		t.Fatal(err, f.DType("x"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rounded (-want +got):\n%s", diff)
	}
	if nan, err := f.Read("nan"); err != nil || nan[0] == nan[0] {
		t.Errorf("a NaN became %v, %v", nan, err)
	}
}
