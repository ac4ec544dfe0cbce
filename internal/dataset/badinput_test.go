package dataset

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/fault"

	"github.com/google/go-cmp/cmp"
)

// idx is an IDX file of n items that its header calls count.
func idx(magic, count uint32, dims []uint32, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, magic)
	b = binary.BigEndian.AppendUint32(b, count)
	size := 1
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
		size *= int(d)
	}
	for i := range n * size {
		b = append(b, byte(i%10)) // a valid label too
	}
	return b
}

func images(count uint32, n int) []byte { return idx(idxImages, count, []uint32{28, 28}, n) }
func labels(count uint32, n int) []byte { return idx(idxLabels, count, nil, n) }

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

// place writes files, named from dir, and returns dir.
func place(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func placeFashion(t testing.TB, images, labels []byte) string {
	return place(t, map[string][]byte{
		"fashion-mnist/train-images-idx3-ubyte.gz": images,
		"fashion-mnist/train-labels-idx1-ubyte.gz": labels,
	})
}

// wantData demands an error of kind fault.Data, with a hint, that says want.
func wantData(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if fault.Code(err) != int(fault.Data) || fault.Hint(err) == "" {
		t.Errorf("%v: code %d, hint %q", err, fault.Code(err), fault.Hint(err))
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func TestFashionForms(t *testing.T) {
	for name, dir := range map[string]string{
		"gzip": placeFashion(t, zipped(images(3, 3)), zipped(labels(3, 3))),
		"unpacked": place(t, map[string][]byte{
			"fashion-mnist/train-images-idx3-ubyte": images(3, 3),
			"fashion-mnist/train-labels-idx1-ubyte": labels(3, 3),
		}),
		"unpacked under a .gz name": placeFashion(t, images(3, 3), labels(3, 3)),
	} {
		s := mustOpen(t, FashionMNIST, dir, Train)
		if diff := cmp.Diff(images(3, 3)[16:], s.Pixels); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff([]uint8{0, 1, 2}, s.Labels); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOpenLooksInDefaultDir(t *testing.T) {
	t.Chdir(placeFashion(t, zipped(images(1, 1)), zipped(labels(1, 1))))
	if err := os.Mkdir(DefaultDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(FashionMNIST, filepath.Join(DefaultDir, FashionMNIST)); err != nil {
		t.Fatal(err)
	}
	if s := mustOpen(t, FashionMNIST, "", Train); s.N != 1 {
		t.Errorf("%d images", s.N)
	}
}

func TestFashionBadInput(t *testing.T) {
	good, goodLabels := zipped(images(3, 3)), zipped(labels(3, 3))
	flipped := bytes.Clone(good)
	flipped[len(flipped)-8] ^= 1 // gzip's checksum
	badLabel := labels(3, 3)
	badLabel[9] = 10
	for _, c := range []struct {
		name           string
		images, labels []byte
		want           string
	}{
		{"empty", nil, goodLabels, "cut off"},
		{"cut off gzip header", good[:6], goodLabels, "cut off"},
		{"cut off gzip", good[:len(good)-20], goodLabels, "cut off"},
		{"no checksum", good[:len(good)-8], goodLabels, "cut off"},
		{"wrong checksum", flipped, goodLabels, "invalid checksum"},
		{"garbage behind gzip", append(bytes.Clone(good), "garbage garbage"...), goodLabels, "damaged"},
		{"cut off IDX header", zipped(images(3, 3)[:13]), goodLabels, "cut off"},
		{"wrong magic", zipped(labels(3, 3)), goodLabels, "begins with 0x00000801, not 0x00000803"},
		{"floats", zipped(idx(0x0d03, 3, []uint32{28, 28}, 3)), goodLabels, "begins with 0x00000d03"},
		{"too few images", zipped(images(4, 3)), goodLabels, "claims 4 items"},
		{"too many images", zipped(images(2, 3)), goodLabels, "holds more"},
		{"no images", zipped(images(0, 0)), goodLabels, "claims 0 items"},
		{"count overflows", zipped(images(0xffffffff, 3)), goodLabels, "claims 4294967295 items"},
		{"other dimensions", zipped(idx(idxImages, 3, []uint32{32, 28}, 3)), goodLabels, "[32 28]"},
		{"dimensions overflow", zipped(idx(idxImages, 1, []uint32{0x80000000, 0x80000000}, 0)), goodLabels, "not [28 28]"},
		{"labels cut off", good, zipped(labels(3, 2)), "train-labels-idx1-ubyte.gz: claims 3 items"},
		{"fewer labels than images", good, zipped(labels(2, 2)), "2 labels for 3 images"},
		{"label 10", good, zipped(badLabel), "label 10 of image 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(FashionMNIST, placeFashion(t, c.images, c.labels), Train)
			wantData(t, err, c.want, "ubyte")
		})
	}
}

func TestMissingDataSaysBothWays(t *testing.T) {
	t.Chdir(t.TempDir()) // so that no ./data is there
	for _, name := range []string{FashionMNIST, CIFAR10} {
		for _, dir := range []string{"", t.TempDir(), place(t, map[string][]byte{name + "/readme": nil})} {
			_, err := Open(name, dir, Test)
			wantData(t, err, name)
			for _, want := range []string{"diffuse data fetch " + name, "--data DIR", "DIFFUSE_DATA", ".gz"} {
				if !strings.Contains(fault.Hint(err), want) {
					t.Errorf("hint %q does not say %q", fault.Hint(err), want)
				}
			}
		}
	}
	_, err := Open("mnist", t.TempDir(), Train)
	if fault.Code(err) != int(fault.Usage) || !strings.Contains(fault.Hint(err), FashionMNIST) {
		t.Errorf("unknown name: %v, hint %q", err, fault.Hint(err))
	}
}

// batch is n records: label i mod 10, red 1, green 2, blue 3 plus the first label.
func batch(n, first int) []byte {
	var b []byte
	for i := range n {
		b = append(b, byte((first+i)%10))
		for plane := range 3 {
			b = append(b, bytes.Repeat([]byte{byte(plane + 1 + first)}, cifarPlane)...)
		}
	}
	return b
}

func tarball(members ...*member) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		kind := byte(tar.TypeReg)
		if m.link != "" {
			kind = tar.TypeSymlink
		}
		h := &tar.Header{Name: m.name, Typeflag: kind, Linkname: m.link, Size: int64(len(m.content)), Mode: 0o644}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		w.Write(m.content)
	}
	w.Close()
	return b.Bytes()
}

type member struct {
	name    string
	content []byte
	link    string
}

// official is the tarball's members with n records each; changes replace by name.
func official(n int, changes ...*member) []*member {
	var ms []*member
	for i, name := range append(batchNames(Train), batchNames(Test)...) {
		ms = append(ms, &member{name: path.Join(cifarFolder, name), content: batch(n, i)})
	}
	for _, c := range changes {
		for i, m := range ms {
			if m.name == path.Join(cifarFolder, c.name) {
				ms[i] = &member{name: m.name, content: c.content, link: c.link}
			}
		}
	}
	return ms
}

func TestCIFARForms(t *testing.T) {
	inFolder, direct := map[string][]byte{}, map[string][]byte{}
	for i, name := range append(batchNames(Train), batchNames(Test)...) {
		inFolder["cifar-10/cifar-10-batches-bin/"+name] = batch(2, i)
		direct["cifar-10/"+name] = batch(2, i)
	}
	var hash string
	for name, dir := range map[string]string{
		"tarball": place(t, map[string][]byte{"cifar-10/cifar-10-binary.tar.gz": zipped(tarball(official(2)...))}),
		"folder":  place(t, inFolder),
		"direct":  place(t, direct),
	} {
		train, test := mustOpen(t, CIFAR10, dir, Train), mustOpen(t, CIFAR10, dir, Test)
		if diff := cmp.Diff([]uint8{0, 1, 1, 2, 2, 3, 3, 4, 4, 5}, train.Labels); diff != "" {
			t.Errorf("%s: labels %s", name, diff)
		}
		if diff := cmp.Diff([]uint8{5, 6}, test.Labels); diff != "" {
			t.Errorf("%s: test labels %s", name, diff)
		}
		if diff := cmp.Diff([]uint8{3, 4, 5, 3, 4, 5}, train.Pixels[4*3072:4*3072+6]); diff != "" {
			t.Errorf("%s: the first pixels of batch 3: %s", name, diff)
		}
		if hash == "" {
			hash = train.Hash
		}
		if train.Hash != hash {
			t.Errorf("%s: other content than the other forms", name)
		}
	}
}

func TestCIFARBadFolder(t *testing.T) {
	whole := batch(cifarBatch, 0)
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  string
	}{
		{"cut off", map[string][]byte{"data_batch_1.bin": batch(2, 0)[:5000]}, "data_batch_1.bin: has 5000 bytes"},
		{"empty", map[string][]byte{"data_batch_1.bin": nil}, "has 0 bytes"},
		{"too long", map[string][]byte{"data_batch_1.bin": append(bytes.Clone(whole), batch(1, 0)...)}, "has 10001 records"},
		{"a batch lost", map[string][]byte{"data_batch_1.bin": batch(1, 0), "data_batch_3.bin": batch(1, 0)}, "data_batch_3.bin is there"},
		{"official, one lost", map[string][]byte{"data_batch_1.bin": whole}, "has 1 of 5 batches"},
		{"label 10", map[string][]byte{"data_batch_1.bin": append([]byte{10}, batch(1, 0)[1:]...)}, "label 10 of image 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string][]byte{}
			for name, content := range c.files {
				files["cifar-10/"+name] = content
			}
			_, err := Open(CIFAR10, place(t, files), Train)
			wantData(t, err, c.want)
		})
	}
}

func TestCIFARBadTarball(t *testing.T) {
	good := tarball(official(1)...)
	packed := zipped(good)
	// A header that promises 8 GiB: checked before memory is taken.
	var huge bytes.Buffer
	if err := tar.NewWriter(&huge).WriteHeader(&tar.Header{Name: "cifar-10-batches-bin/data_batch_1.bin", Size: 1<<33 - 1<<33%cifarRecord, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "cut off"},
		{"not gzip", good, "damaged"},
		{"cut off", packed[:len(packed)/2], "cut off"},
		{"no checksum", packed[:len(packed)-8], "cut off"},
		{"cut off tar", zipped(good[:2000]), "cut off"},
		{"cut off between members", zipped(good[:4000]), "has no cifar-10-batches-bin/data_batch_2.bin"},
		{"not tar", zipped([]byte(strings.Repeat("no tar ", 1000))), "invalid tar header"},
		{"missing member", zipped(tarball(official(1)[1:]...)), "has no cifar-10-batches-bin/data_batch_1.bin"},
		{"other folder", zipped(tarball(&member{name: "cifar-100-binary/train.bin", content: []byte("x")})), "has no"},
		{"leaves upwards", zipped(tarball(append(official(1), &member{name: "../../evil"})...)), `"../../evil" leaves`},
		{"leaves inside", zipped(tarball(&member{name: "cifar-10-batches-bin/../../evil"})), "leaves"},
		{"absolute", zipped(tarball(&member{name: "/etc/passwd"})), `"/etc/passwd" leaves`},
		{"twice", zipped(tarball(append(official(1), official(1)[0])...)), "stands twice"},
		{"link", zipped(tarball(official(1, &member{name: "data_batch_2.bin", link: "/etc/passwd"})...)), "no ordinary file"},
		{"cut off member", zipped(tarball(official(1, &member{name: "data_batch_2.bin", content: batch(1, 0)[:99]})...)), `data_batch_2.bin" has 99 bytes`},
		{"huge member", zipped(huge.Bytes()), "a batch has at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(CIFAR10, place(t, map[string][]byte{"cifar-10/cifar-10-binary.tar.gz": c.content}), Train)
			wantData(t, err, c.want, "cifar-10-binary.tar.gz")
		})
	}
}

// TestCIFARBomb unpacks to more than the limit from a small file.
func TestCIFARBomb(t *testing.T) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	const size = maxTarball + 1<<20
	if err := w.WriteHeader(&tar.Header{Name: "cifar-10-batches-bin/readme.html", Size: size, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range size / len(zeros) {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	_, err = readTar(&packed, batchNames(Train))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("unpacks to more than %d MB", maxTarball>>20)) {
		t.Errorf("error %v", err)
	}
}

func FuzzIDX(f *testing.F) {
	f.Add(zipped(images(3, 3)))
	f.Add(labels(3, 3))
	f.Add(images(0xffffffff, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if data, err := decodeMaybeGzip(bytes.NewReader(b), idxImages, []uint32{28, 28}); err == nil && (len(data) == 0 || len(data)%784 != 0) {
			t.Errorf("%d bytes of pixels without an error", len(data))
		}
		if data, err := decodeMaybeGzip(bytes.NewReader(b), idxLabels, nil); err == nil && len(data) == 0 {
			t.Error("no labels without an error")
		}
	})
}

func FuzzTarball(f *testing.F) {
	f.Add(zipped(tarball(official(1)...)))
	f.Add(zipped(tarball(&member{name: "../x", content: []byte("x")})))
	f.Fuzz(func(t *testing.T, b []byte) {
		batches, err := readTar(bytes.NewReader(b), batchNames(Test))
		if err == nil && (len(batches) != 1 || len(batches[0])%cifarRecord != 0) {
			t.Errorf("%d batches without an error", len(batches))
		}
	})
}
