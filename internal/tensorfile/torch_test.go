package tensorfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// torchGolden is a tensor of testdata/torch.json, as PyTorch itself lists it.
type torchGolden struct {
	Name   string
	DType  string
	Shape  []int
	Values []string
}

// TestTorchReadsPyTorch compares what PyTorch wrote (testdata/make_torch.py), in
// both forms, with the values that it says it wrote.
func TestTorchReadsPyTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/torch.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []torchGolden
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	dtypes := map[string]string{
		"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "uint8": "U8",
	}
	for _, path := range []string{"testdata/torch_zip.pth", "testdata/torch_stream.pth"} {
		f, err := OpenWeights(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var names []string
		for _, w := range want {
			names = append(names, w.Name)
			if f.DType(w.Name) != dtypes[w.DType] || !cmp.Equal(f.Shape(w.Name), w.Shape) {
				t.Errorf("%s: %s is %s %v, not %s %v", path, w.Name, f.DType(w.Name), f.Shape(w.Name), w.DType, w.Shape)
			}
			if got := texts(t, f, w.Name); !cmp.Equal(got, rounded(w)) {
				t.Errorf("%s: %s is %v, not %v", path, w.Name, got, w.Values)
			}
		}
		if diff := cmp.Diff(names, f.Names()); diff != "" {
			t.Errorf("%s: names %s", path, diff)
		}
	}
}

// texts are a tensor's elements in shortest decimal form.
func texts(t *testing.T, f *File, name string) []string {
	t.Helper()
	out := []string{}
	if floatDecoders[f.DType(name)] == nil {
		ints, err := f.ReadInts(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range ints {
			out = append(out, strconv.FormatInt(v, 10))
		}
		return out
	}
	floats, err := f.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range floats {
		out = append(out, strconv.FormatFloat(float64(v), 'g', -1, 32))
	}
	return out
}

// rounded are PyTorch's values as texts says them: float64 is read as float32.
func rounded(w torchGolden) []string {
	out := []string{}
	for _, v := range w.Values {
		if !strings.Contains(w.DType, "int") {
			x, _ := strconv.ParseFloat(v, 64)
			v = strconv.FormatFloat(float64(float32(x)), 'g', -1, 32)
		}
		out = append(out, v)
	}
	return out
}

// TestOpenWeightsGoesByContent opens safetensors whose header's length begins
// like a zip and like a pickle, under a name that says otherwise.
func TestOpenWeightsGoesByContent(t *testing.T) {
	header := `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
	for _, length := range []int{0x80, 'P' | 'K'<<8} {
		path := filepath.Join(t.TempDir(), "x.pth")
		content := binary.LittleEndian.AppendUint64(nil, uint64(length))
		content = append(content, header+strings.Repeat(" ", length-len(header))+"\x00\x00\x80\x3f"...)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := OpenWeights(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := f.Read("a"); err != nil || !cmp.Equal(got, []float32{1}) {
			t.Errorf("read %v, %v", got, err)
		}
	}
	for content, want := range map[string]string{
		"":                            "no safetensors file",
		"<!DOCTYPE html><html>":       "neither safetensors nor a file of torch.save",
		"\x80\x04\x95 another pickle": "not written by torch.save",
	} {
		_, err := OpenWeights(file(t, []byte(content)))
		if err == nil {
			t.Fatalf("%q: no error", content)
		}
		checkError(t, err, want)
	}
}

// stream is a file of the older form: this pickle, these keys, these storages.
func stream(pickle, keys string, storages ...[]byte) []byte {
	b := []byte(torchMagic + "\x80\x02}." + pickle + keys)
	for _, s := range storages {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s)/4))
		b = append(b, s...)
	}
	return b
}

// archive is a zip with this pickle, a member data/0 and more members.
func archive(t testing.TB, pickle string, data []byte, more ...member) []byte {
	t.Helper()
	return zipOf(t, append([]member{{"x/data.pkl", pickle, zip.Store}, {"x/data/0", string(data), zip.Store}}, more...)...)
}

type member struct {
	name, content string
	method        uint16
}

func zipOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: m.name, Method: m.method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The pickles of these tests, piece by piece.
const storage4 = "(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ" // key "0", 4 elements

// tensorOf is a call of _rebuild_tensor_v2.
func tensorOf(storage, offset, size, strides string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + size + strides + "\x89ccollections\nOrderedDict\n)RtR"
}

// dict is {"a": v}.
func dict(v string) string { return "\x80\x02}X\x01\x00\x00\x00a" + v + "s." }

func long(n int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

var floats4 = []byte("\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40") // 1, 2, 3, 4

// TestTorchByHand shows that the pieces above make a file, so that what the tests
// below refuse is refused for what is wrong with it.
func TestTorchByHand(t *testing.T) {
	good := dict(tensorOf(storage4, "K\x00", "K\x02K\x02\x86", "K\x01K\x02\x86"))
	legacy := strings.Replace(good, "K\x04tQ", "K\x04NtQ", 1)
	extra := []member{{"x/byteorder", "little", zip.Store}, {"x/.data/serialization_id", "123", zip.Store}}
	for name, content := range map[string][]byte{
		"zip":               archive(t, good, floats4),
		"PyTorch 2's extra": archive(t, good, floats4, extra...),
		"stream":            stream(legacy, "\x80\x02]X\x01\x00\x00\x000a.", floats4),
		"Python 2": stream("\x80\x02ccollections\nOrderedDict\n]]U\x01aa"+strings.Replace(tensorOf(storage4, "\x8a\x01\x00", "K\x02K\x02\x86", "K\x01K\x02\x86"), "K\x04tQ", "K\x04NtQ", 1)+"aa\x85R}b.",
			"\x80\x02]U\x010a.", floats4),
	} {
		f, err := OpenTorch(file(t, content))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer f.Close()
		if got, err := f.Read("a"); err != nil || !cmp.Equal(got, []float32{1, 3, 2, 4}) {
			t.Errorf("%s: read %v, %v", name, got, err)
		}
	}
}

func TestTorchHostilePickle(t *testing.T) {
	whole := func(storage, offset, size, strides string) string {
		return dict(tensorOf(storage, offset, size, strides))
	}
	const zero, four, one = "K\x00", "K\x04\x85", "K\x01\x85"
	for _, c := range []struct{ name, pickle, want string }{
		{"os.system", "\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "refers to os.system"},
		{"os.system of Python 2", "\x80\x02cposix\nsystem\nU\x02ls\x85R.", "refers to posix.system"},
		{"eval in a dict", dict("c__builtin__\neval\nX\x01\x00\x00\x001\x85R"), "refers to __builtin__.eval"},
		{"protocol 0's way", "cos\nsystem\n(S'ls'\ntR.", "refers to os.system"},
		{"INST", "(S'ls'\nios\nsystem\n.", "opcode 0x53"},
		{"OBJ", "\x80\x02(K\x01o.", "opcode 0x6f"},
		{"NEWOBJ", "\x80\x02ccollections\nOrderedDict\n)\x81.", "opcode 0x81"},
		{"STACK_GLOBAL", "\x80\x02X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.", "opcode 0x93"},
		{"EXT1", "\x80\x02\x82\x01.", "opcode 0x82"},
		{"opcode 255", "\x80\x02\xff.", "opcode 0xff"},
		{"protocol 4", "\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.", "protocol 4"},
		{"call of a storage", dict("ctorch\nFloatStorage\n)R"), "calls what is no function"},
		{"call of a text", dict("X\x02\x00\x00\x00os)R"), "calls what is no function"},
		{"arguments no tuple", dict("ccollections\nOrderedDict\n]R"), "calls what is no function"},
		{"endless name", "\x80\x02c" + strings.Repeat("a", 200), "endless name"},
		{"attributes of a list", dict("]}b"), "attributes of what is no dict"},
		{"text of 4 GB", "\x80\x02X\xff\xff\xff\xff", "text of 4294967295 bytes"},
		{"number of 255 bytes", "\x80\x02\x8a\xff" + strings.Repeat("\x01", 255) + ".", "whole number of 255 bytes"},
		{"cut off", dict(storage4)[:30], "cut off"},
		{"no STOP", "\x80\x02}", "cut off"},
		{"empty", "", "cut off"},
		{"nothing", "\x80\x02.", "ends with 0 values"},
		{"two values", "\x80\x02}}.", "ends with 2 values"},
		{"a mark", "\x80\x02(.", "did not make"},
		{"empty stack", "\x80\x02\x87.", "did not make"},
		{"no mark", "\x80\x02K\x01t.", "did not make"},
		{"mark in a tuple", "\x80\x02(\x85.", "did not make"},
		{"memo of nothing", "\x80\x02q\x00.", "did not make"},
		{"memo not kept", "\x80\x02h\x07.", "value 7, which it did not keep"},
		{"memo at the end of uint32", dict("K\x01r\xff\xff\xff\xffj\xfe\xff\xff\xff"), "value 4294967294"},
		{"append to a dict", "\x80\x02}K\x01a.", "adds to what is no list"},
		{"item of a list", "\x80\x02]K\x01K\x02s.", "adds to what is no list"},
		{"odd items", "\x80\x02}(K\x01u.", "key without a value"},
		{"list for a key", "\x80\x02}]K\x01s.", "neither text nor a whole number"},
		{"endless key", "\x80\x02}X\x00\x10\x00\x00" + strings.Repeat("a", 4096) + "Ns.", "key of 4096 bytes"},
		{"text not UTF-8", "\x80\x02X\x01\x00\x00\x00\xff.", "not UTF-8"},
		{"no dict", "\x80\x02K\x01.", "does not hold a dict"},
		{"a tensor", "\x80\x02" + tensorOf(storage4, zero, four, one) + ".", "does not hold a dict"},
		{"no tensor", "\x80\x02}.", "holds no tensors"},
		{"two tensors of a name", "\x80\x02}(K\x01" + tensorOf(storage4, zero, four, one) + "X\x01\x00\x00\x001" + tensorOf(storage4, zero, four, one) + "u.", `"1" stands twice`},
		{"dict in itself", "\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.", "contains itself"},
		{"list in itself", dict("]q\x00h\x00a"), "contains itself"},
		{"deep lists", dict(strings.Repeat("]", 100_000) + strings.Repeat("a", 99_999)), "nested too deeply"},
		{"deep tuples", dict("K\x01" + strings.Repeat("\x85", 1_000_000)), "nested too deeply"},
		{"too many opcodes", "\x80\x02" + strings.Repeat("N", maxPickleOps), "more than 2097152 opcodes"},
		{"negative offset", whole(storage4, "J\xff\xff\xff\xff", four, one), "other arguments"},
		{"offset out of the storage", whole(storage4, "K\x01", four, one), "runs out of its storage"},
		{"offset at the end of int64", whole(storage4, long(1<<63-1), four, one), "runs out of its storage"},
		{"offset no number", whole(storage4, "N", four, one), "other arguments"},
		{"negative size", whole(storage4, zero, "J\xff\xff\xff\xff\x85", one), "-1 is not possible"},
		{"negative stride", whole(storage4, "K\x03", four, "J\xff\xff\xff\xff\x85"), "-1 is not possible"},
		{"stride out of the storage", whole(storage4, zero, "K\x03\x85", "K\x02\x85"), "runs out of its storage"},
		{"strides that overflow", whole(storage4, zero, "K\x02K\x02\x86", long(1<<62)+long(1<<62)+"\x86"), "runs out of its storage"},
		{"size that overflows", whole(storage4, zero, long(1<<62)+"K\x04\x86", "K\x00K\x00\x86"), "more elements than its storage"},
		{"expanded", whole(storage4, zero, long(1<<30)+"\x85", "K\x00\x85"), "clone()"},
		{"more strides than sizes", whole(storage4, zero, four, "K\x01K\x01\x86"), "with strides [1 1]"},
		{"65 dimensions", whole(storage4, zero, "("+strings.Repeat("K\x01", 65)+"t", "("+strings.Repeat("K\x01", 65)+"t"), "other arguments"},
		{"size no tuple", whole(storage4, zero, "K\x04", one), "other arguments"},
		{"storage no storage", whole("K\x01", zero, four, one), "other arguments"},
		{"parameter of a number", dict("ctorch._utils\n_rebuild_parameter\nK\x01\x88}\x87R"), "other arguments"},
		{"OrderedDict of a dict", dict("ccollections\nOrderedDict\n}\x85R"), "other arguments"},
		{"OrderedDict of lone keys", dict("ccollections\nOrderedDict\n]]K\x01aa\x85R"), "other arguments"},
		{"storage of another key", whole(strings.Replace(storage4, "\x000X", "\x007X", 1), zero, four, one), "no storage \"7\""},
		{"storage with a path for a key", whole(strings.Replace(storage4, "\x01\x00\x00\x000", "\x08\x00\x00\x00../../x0", 1), zero, four, one), "no storage"},
		{"storage of another size", whole(strings.Replace(storage4, "K\x04", "K\x03", 1), zero, one, one), "16 bytes, not 3 F32"},
		{"storage of another width", whole(strings.Replace(storage4, "Float", "Double", 1), zero, four, one), "16 bytes, not 4 F64"},
		{"huge storage", whole(strings.Replace(storage4, "K\x04", long(1<<62), 1), zero, long(1<<62)+"\x85", one), "not 4611686018427387904 F32"},
		{"negative storage", whole(strings.Replace(storage4, "K\x04", "J\xff\xff\xff\xff", 1), zero, four, one), "unknown way"},
		{"storage of no class", whole(strings.Replace(storage4, "ctorch\nFloatStorage\n", "N", 1), zero, four, one), "unknown way"},
		{"storage of a function", whole(strings.Replace(storage4, "ctorch\nFloatStorage\n", "ctorch\nSize\n", 1), zero, four, one), "unknown way"},
		{"module", dict("X\x06\x00\x00\x00module\x85Q"), "unknown way"},
		{"storage of two sizes", "\x80\x02}(K\x01" + storage4 + "K\x02" + strings.Replace(storage4, "K\x04", "K\x05", 1) + "u.", "4 F32 and 5 F32"},
		{"quantized", dict("ctorch._utils\n_rebuild_qtensor\n)R"), "refers to torch._utils._rebuild_qtensor"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := OpenTorch(file(t, archive(t, c.pickle, floats4)))
			if err == nil {
				f.Close()
				t.Fatal("no error")
			}
			checkError(t, err, c.want)
		})
	}
}

// TestTorchBillionLaughs refers to a tensor ten times from a list, to that ten
// times from the next, ...: 10^20 times in all, from a few hundred bytes.
func TestTorchBillionLaughs(t *testing.T) {
	v := tensorOf(storage4, "K\x00", "K\x04\x85", "K\x01\x85")
	for i := range 20 {
		kept := string([]byte{byte(i)})
		v = "](" + v + "q" + kept + strings.Repeat("h"+kept, 9) + "e"
	}
	_, err := OpenTorch(file(t, archive(t, dict(v), floats4)))
	if err == nil {
		t.Fatal("no error")
	}
	checkError(t, err, "contains itself")
}

func TestTorchBadZip(t *testing.T) {
	pickle := dict(tensorOf(storage4, "K\x00", "K\x04\x85", "K\x01\x85"))
	good := archive(t, pickle, floats4)
	// The sizes in the zip's directory, which stands behind the members.
	lying := bytes.Clone(good)
	at := bytes.LastIndex(lying, []byte("x/data/0")) - 46
	binary.LittleEndian.PutUint32(lying[at+20:], 0x7ffffff0)
	binary.LittleEndian.PutUint32(lying[at+24:], 0x7ffffff0)
	outside := bytes.Clone(good)
	binary.LittleEndian.PutUint32(outside[at+42:], 0x7ffffff0)
	bomb := strings.Repeat("\x00", 1<<20)
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"cut off", good[:len(good)-10], "no whole zip"},
		{"cut off early", good[:40], "no whole zip"},
		{"only the magic", good[:4], "no whole zip"},
		{"bomb for a storage", zipOf(t, member{"x/data.pkl", pickle, zip.Store}, member{"x/data/0", bomb, zip.Deflate}), "x/data/0 is compressed"},
		{"bomb for a pickle", zipOf(t, member{"x/data.pkl", bomb, zip.Deflate}), "x/data.pkl is compressed"},
		{"a member larger than the file", lying, "2147483632 bytes, not 4 F32"},
		{"a member outside the file", outside, `storage "0"`},
		{"another zip", zipOf(t, member{"mu.npy", "x", zip.Deflate}), "without data.pkl"},
		{"two pickles", archive(t, pickle, floats4, member{"y/data.pkl", pickle, zip.Store}), "has both x/data.pkl and y/data.pkl"},
		{"member twice", archive(t, pickle, floats4, member{"x/data/0", string(floats4), zip.Store}), "x/data/0 stands twice"},
		{"big-endian", archive(t, pickle, floats4, member{"x/byteorder", "big", zip.Store}), `byte order "big"`},
		{"long byte order", archive(t, pickle, floats4, member{"x/byteorder", "little little little", zip.Store}), "x/byteorder has 20 bytes"},
		{"TorchScript", archive(t, pickle, floats4, member{"x/constants.pkl", "", zip.Store}), "TorchScript"},
		{"damaged pickle", bytes.Replace(good, []byte("OrderedDict"), []byte("OrderedDicT"), 1), "checksum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := OpenTorch(file(t, c.content))
			if err == nil {
				f.Close()
				t.Fatal("no error")
			}
			checkError(t, err, c.want)
		})
	}
	damaged := bytes.Replace(good, floats4, []byte("\x00\x00\x80\x3e\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40"), 1)
	f, err := OpenTorch(file(t, damaged))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.Read("a")
	checkError(t, err, "is damaged: x/data/0: zip: checksum error")
}

func TestTorchBadStream(t *testing.T) {
	pickle := strings.Replace(dict(tensorOf(storage4, "K\x00", "K\x04\x85", "K\x01\x85")), "K\x04tQ", "K\x04NtQ", 1)
	const keys = "\x80\x02]X\x01\x00\x00\x000a."
	good := stream(pickle, keys, floats4)
	short := bytes.Clone(good)
	short[len(short)-24] = 3
	huge := bytes.Replace(good, []byte("K\x04NtQ"), []byte(long(1<<62)+"NtQ"), 1)
	copy(huge[len(huge)-24:], binary.LittleEndian.AppendUint64(nil, 1<<62))
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"cut off storage", good[:len(good)-1], "runs over the end"},
		{"cut off count", good[:len(good)-17], "cut off before storage"},
		{"cut off keys", good[:len(good)-26], "cut off"},
		{"cut off magic", good[:10], "not written by torch.save"},
		{"only the magic", good[:len(torchMagic)], "cut off"},
		{"trailing garbage", append(bytes.Clone(good), 1), "1 bytes follow"},
		{"another count", short, "has 3 elements, not 4"},
		{"huge count", huge, "elements, not 4611686018427387904"},
		{"no keys", stream(pickle, "\x80\x02].", floats4), "0 storages"},
		{"keys no list", stream(pickle, "\x80\x02}.", floats4), "no list of storages"},
		{"key no text", stream(pickle, "\x80\x02]K\x00a.", floats4), "storage 0 stands twice, or"},
		{"key twice", stream(pickle, "\x80\x02](X\x01\x00\x00\x000X\x01\x00\x00\x000e.", floats4, floats4), "stands twice"},
		{"unknown key", stream(pickle, "\x80\x02]X\x01\x00\x00\x001a.", floats4), "storage 1 stands twice, or"},
		{"storage among the keys", stream(pickle, dict(storage4), floats4), "there can be nothing"},
		{"a view of a storage", stream(strings.Replace(pickle, "NtQ", ")tQ", 1), keys, floats4), "unknown way"},
		{"code in the properties", []byte(torchMagic + "\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R." + pickle + keys), "refers to os.system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := OpenTorch(file(t, c.content))
			if err == nil {
				f.Close()
				t.Fatal("no error")
			}
			checkError(t, err, c.want)
		})
	}
}
