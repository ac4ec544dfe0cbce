package export

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"diffuse/internal/eval"
	"diffuse/internal/run"
)

// field is one field of a protobuf message, as the wire format defines it.
type field struct {
	number int
	bits   uint64 // of a varint or a fixed number
	bytes  []byte
}

// fields reads a message by the wire format's definition, apart from the code
// that wrote it.
func fields(t *testing.T, b []byte) []field {
	t.Helper()
	var all []field
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatalf("no tag at % x", b)
		}
		b = b[n:]
		f := field{number: int(tag >> 3)}
		switch tag & 7 {
		case 0:
			f.bits, n = binary.Uvarint(b)
			if n <= 0 {
				t.Fatalf("no varint at % x", b)
			}
			b = b[n:]
		case 1:
			f.bits, b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || uint64(len(b)-n) < size {
				t.Fatalf("a field of %d bytes in % x", size, b)
			}
			f.bytes, b = b[n:n+int(size)], b[n+int(size):]
		case 5:
			f.bits, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		default:
			t.Fatalf("wire type %d", tag&7)
		}
		all = append(all, f)
	}
	return all
}

// one is the first field of a number; a zero one where there is none.
func one(t *testing.T, b []byte, number int) field {
	t.Helper()
	for _, f := range fields(t, b) {
		if f.number == number {
			return f
		}
	}
	return field{}
}

// records reads TFRecords by their definition and checks both checksums.
func records(t *testing.T, file []byte) [][]byte {
	t.Helper()
	unmask := func(masked uint32) uint32 {
		rotated := masked - 0xa282ead8
		return rotated>>17 | rotated<<15
	}
	sum := func(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
	var all [][]byte
	r := bytes.NewReader(file)
	for {
		head := make([]byte, 12)
		if _, err := io.ReadFull(r, head); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if unmask(binary.LittleEndian.Uint32(head[8:])) != sum(head[:8]) {
			t.Fatal("a length's checksum is wrong")
		}
		data := make([]byte, binary.LittleEndian.Uint64(head)+4)
		if _, err := io.ReadFull(r, data); err != nil {
			t.Fatal(err)
		}
		data, crc := data[:len(data)-4], data[len(data)-4:]
		if unmask(binary.LittleEndian.Uint32(crc)) != sum(data) {
			t.Fatal("a record's checksum is wrong")
		}
		all = append(all, data)
	}
}

// exported is a run with each kind of line, a grid of 6×4 gray pixels and one
// that is gone.
func exported(t *testing.T) Run {
	t.Helper()
	dir := t.TempDir()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 6, 4))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "samples"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "samples", "epoch-0001.png"), picture.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	number := func(x float64) *float64 { return &x }
	return Run{
		Record: &run.Record{
			Folder: run.Folder{Dir: dir, Name: "clothes"}, Status: run.Finished,
			Starts: []run.StartLine{{Time: "2026-11-26T08:00:00Z", Total: 2, StepsPerEpoch: 2, TrainImages: 16, Origin: run.Origin{Machine: run.Machine{Host: "box"}}}},
			Steps: []run.StepLine{
				{Step: 1, Epoch: 1, Loss: .5, LR: .1, GradNorm: 2, ImgPerS: 80, Images: 8, UnixMS: 1795680001500, Memory: 1 << 20},
				{Step: 2, Epoch: 1, Loss: .1 + .2, LR: .05, GradNorm: 1, ImgPerS: 80, Images: 16, UnixMS: 1795680002500},
			},
			Epochs: []run.EpochLine{{Epoch: 1, Step: 2, Time: "2026-11-26T08:00:03Z", TrainLoss: number(.4), Seconds: 3, Best: true}},
			Scores: []run.ScoreLine{{Epoch: 1, Step: 2, Weights: "raw", Score: eval.Score{
				FID: number(3.5), Interval: &[2]float64{3.25, 3.75}, Samples: 64, Floor: &eval.Floor{FID: 1.5},
				Reference: eval.Reference{Name: "fashion-mnist/test", N: 10000}, Extractor: eval.Extractor{Name: "fashion-resnet", Hash: "d52f"},
			}}},
			Grids: []run.GridLine{{Epoch: 1, Step: 2, Path: "samples/epoch-0001.png"}, {Epoch: 1, Step: 2, Path: "samples/gone.png"}},
			End:   &run.EndLine{Time: "2026-11-26T08:00:04Z", Step: 2, Reason: run.Finished},
		},
		Config: map[string]string{"train.lr": "0.1", "data.flip": "true", "schedule.kind": "cosine"},
	}
}

func TestEventFileIsReadBack(t *testing.T) {
	r := exported(t)
	dir := t.TempDir()
	files, missing, err := TensorBoard(dir, r)
	if err != nil || len(files) != 1 || len(missing) != 1 || missing[0] != "samples/gone.png" {
		t.Fatalf("files %v, missing %v, %v", files, missing, err)
	}
	if base := filepath.Base(files[0]); filepath.Base(filepath.Dir(files[0])) != "clothes" || !strings.Contains(base, "tfevents") || !strings.HasSuffix(base, ".box") {
		t.Errorf("file %s", files[0])
	}
	file, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	events := records(t, file)
	if v := one(t, events[0], 3); string(v.bytes) != "brain.Event:2" {
		t.Errorf("the first event is %q", events[0])
	}
	scalars, pictures := map[string][]float64{}, 0
	for _, e := range events[1:] {
		value := one(t, one(t, e, 5).bytes, 1).bytes
		tag, step := string(one(t, value, 1).bytes), float64(one(t, e, 2).bits)
		if picture := one(t, value, 4).bytes; picture != nil {
			pictures++
			c, err := png.DecodeConfig(bytes.NewReader(one(t, picture, 4).bytes))
			if err != nil || c.Width != 6 || one(t, picture, 2).bits != 6 || one(t, picture, 1).bits != 4 || one(t, picture, 3).bits != 1 {
				t.Errorf("picture %+v, %v", c, err)
			}
			continue
		}
		if strings.HasPrefix(tag, "_hparams_/") {
			continue
		}
		wall := math.Float64frombits(one(t, e, 1).bits)
		scalars[tag] = append(scalars[tag], step, float64(math.Float32frombits(uint32(one(t, value, 2).bits))), wall)
	}
	if pictures != 1 {
		t.Errorf("%d pictures", pictures)
	}
	const step1, step2, epoch = 1795680001.5, 1795680002.5, 1795680003
	for tag, want := range map[string][]float64{
		"train/loss": {1, .5, step1, 2, float64(float32(.1 + .2)), step2}, "train/memory": {1, 1 << 20, step1},
		"train/epoch_loss": {2, float64(float32(.4)), epoch}, "score/fid": {2, 3.5, step2}, "score/fid_floor": {2, 1.5, step2},
	} {
		got := scalars[tag]
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", tag, got, want)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", tag, got, want)
			}
		}
	}
	if _, ok := scalars["valid/loss"]; ok {
		t.Error("a loss that is not known was written")
	}
}

// The HPARAMS tab wants the keys with their types, their values, and how the run
// ended.
func TestHparams(t *testing.T) {
	var file bytes.Buffer
	if _, err := exported(t).WriteEvents(&file); err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{}
	for _, e := range records(t, file.Bytes()) {
		value := one(t, one(t, e, 5).bytes, 1).bytes
		if value == nil {
			continue
		}
		plugin := one(t, one(t, value, 9).bytes, 1).bytes
		if plugin != nil && string(one(t, plugin, 1).bytes) == "hparams" {
			contents[string(one(t, value, 1).bytes)] = one(t, plugin, 2).bytes
		}
	}
	types := map[string]uint64{}
	for _, f := range fields(t, one(t, contents["_hparams_/experiment"], 2).bytes) {
		if f.number == 4 {
			types[string(one(t, f.bytes, 1).bytes)] = one(t, f.bytes, 4).bits
		}
	}
	if types["schedule.kind"] != 1 || types["data.flip"] != 2 || types["train.lr"] != 3 {
		t.Errorf("types %v", types)
	}
	start := one(t, contents["_hparams_/session_start_info"], 3).bytes
	values := map[string][]byte{}
	for _, f := range fields(t, start) {
		if f.number == 1 {
			values[string(one(t, f.bytes, 1).bytes)] = one(t, f.bytes, 2).bytes
		}
	}
	if lr := math.Float64frombits(one(t, values["train.lr"], 2).bits); lr != .1 || string(one(t, values["schedule.kind"], 3).bytes) != "cosine" || one(t, values["data.flip"], 4).bits != 1 {
		t.Errorf("values %q", values)
	}
	if string(one(t, start, 4).bytes) != "clothes" {
		t.Errorf("group %q", one(t, start, 4).bytes)
	}
	if end := one(t, contents["_hparams_/session_end_info"], 4).bytes; one(t, end, 1).bits != 1 {
		t.Errorf("end %v", end)
	}
}

// RFC 3720 appendix B.4 gives CRC-32C of 32 zeros: 0x8a9136aa. TFRecord's mask of
// it follows from the definition in TensorFlow's crc32c.h.
func TestMaskedCRC(t *testing.T) {
	const crc = 0x8a9136aa
	var rotated uint32 = crc>>15 | crc<<17&0xffffffff
	if got := maskedCRC(make([]byte, 32)); got != rotated+0xa282ead8 {
		t.Errorf("%08x", got)
	}
}

// A log of format 1 has no times of steps: they follow from how long each took.
func TestTimesOfAnOldLog(t *testing.T) {
	r := exported(t)
	for i := range r.Steps {
		r.Steps[i].UnixMS = 0
	}
	began := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	for _, s := range r.Scalars() {
		if s.Tag == "train/loss" && !s.Time.Equal(began.Add(time.Duration(s.Step)*100*time.Millisecond)) {
			t.Errorf("step %d at %v", s.Step, s.Time)
		}
	}
}
