package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/tensorfile"
)

// classifierConfig trains a tiny classifier of the toy's images.
func classifierConfig() *config.Config {
	c := toyConfig()
	c.Data.Crop = 1
	c.Model = config.Default().Model
	c.Model.Kind, c.Model.Channels = config.ResNet, []int{4, 4, 6, 6, 8}
	c.Train.EMA = 0
	return c
}

// shaded are images of three classes that can be told apart: each is of a shade
// of its own, and noise.
func shaded(n int, seed uint64) *dataset.Set {
	s := toyImages(n, seed)
	s.Classes = []string{"dark", "middle", "bright"}
	size := s.H * s.W
	for i := range n {
		s.Labels[i] = uint8((i + int(seed)) % 3)
		for j := range size {
			s.Pixels[i*size+j] = s.Pixels[i*size+j]/4 + 90*s.Labels[i]
		}
	}
	return s
}

// shadedSetup is a run of c on the shades' images that saves to dir.
func shadedSetup(t *testing.T, c *config.Config, dir string) Setup {
	t.Helper()
	s := toySetup(t, c, dir)
	s.Train, s.Valid = shaded(40, 1), shaded(15, 2)
	net, err := model.New(c.Model, model.Images{Size: toySide, Channels: 1, Classes: 3}, true, s.Kernels)
	if err != nil {
		t.Fatal(err)
	}
	net.Init(c.Train.Seed)
	s.Net = net
	return s
}

// classified is what a run of a classifier leaves in its folder.
func classified(t *testing.T, c *config.Config, workers int) (map[string]string, *watcher) {
	t.Helper()
	dir, w := t.TempDir(), new(watcher)
	s := shadedSetup(t, c, dir)
	s.Workers, s.Observers = workers, []Observer{w}
	if err := newTrainer(t, s).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return contents(t, dir), w
}

// A classifier learns three shades, and says how it does.
func TestClassifierLearns(t *testing.T) {
	c := classifierConfig()
	c.Train.Epochs, c.Train.Batch, c.Train.MicroBatch = 8, 8, 8
	c.Train.GridEvery, c.Eval.Every = 1, 1 // it draws nothing: neither is heeded
	files, w := classified(t, c, 2)
	epochs := all[Epoch](w)
	first, last := epochs[0], epochs[len(epochs)-1]
	if last.ValidLoss > first.ValidLoss/2 || last.Confusion.Accuracy() < 0.9 {
		t.Errorf("from %+v to %+v", first, last)
	}
	for label, row := range last.Confusion {
		said := 0
		for _, n := range row {
			said += n
		}
		if said != 5 {
			t.Errorf("%d images of class %d were judged, want 5: %v", said, label, last.Confusion)
		}
	}
	if len(all[Grid](w)) != 0 || len(all[*Evaluation](w)) != 0 || files["best.safetensors"] == "" || files["best-fid.safetensors"] != "" {
		t.Error("a classifier was asked to draw")
	}
}

// The bits of a classifier's run, running statistics among them, depend neither
// on the workers nor on interruptions.
func TestClassifierBits(t *testing.T) {
	c := classifierConfig()
	want, _ := classified(t, c, 2)
	for _, workers := range []int{1, 8} {
		got, _ := classified(t, c, workers)
		sameFiles(t, fmt.Sprint(workers, " workers"), got, want)
	}
	for _, step := range []int{1, 7, 9} { // an epoch has 7
		dir := t.TempDir()
		s := shadedSetup(t, c, dir)
		s.Observers = []Observer{&watcher{on: func(e Event) error {
			if e, ok := e.(Step); ok && e.Step == step {
				return errStop
			}
			return nil
		}}}
		if err := newTrainer(t, s).Run(context.Background()); err == nil {
			t.Fatal("the run was not stopped")
		}
		s = shadedSetup(t, c, dir)
		s.Workers = 5
		clear(s.Net.Params().Data) // all must come from the checkpoint
		tr := newTrainer(t, s)
		if err := tr.Resume(); err != nil {
			t.Fatal(err)
		}
		if err := tr.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, fmt.Sprint("stopped at step ", step), contents(t, dir), want)
	}
}

// What a classifier says is found again from its checkpoint, an image at a time.
func TestConfusionFromTheCheckpoint(t *testing.T) {
	c := classifierConfig()
	dir, w := t.TempDir(), new(watcher)
	s := shadedSetup(t, c, dir)
	s.Observers = []Observer{w}
	if err := newTrainer(t, s).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	ck, err := LoadCheckpoint(filepath.Join(dir, "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	net, err := ck.Load(false, s.Kernels)
	if err != nil {
		t.Fatal(err)
	}
	worker, err := net.Worker(1, false)
	if err != nil {
		t.Fatal(err)
	}
	counts := [3][3]int{}
	var loss float64
	for i := range s.Valid.N {
		x, y := make([]float32, net.Sizes().Input), make([]float32, 3)
		s.Valid.Fill(x, []int{i}, toySide, -.5, .5, nil) // neither mirrored nor moved
		if err := worker.Predict(y, x, nil, nil); err != nil {
			t.Fatal(err)
		}
		label := s.Valid.Labels[i]
		counts[label][slices.Index(y, slices.Max(y))]++
		var sum float64
		for _, v := range y {
			sum += math.Exp(float64(v))
		}
		loss += (math.Log(sum) - float64(y[label])) / float64(s.Valid.N)
	}
	epochs := all[Epoch](w)
	last := epochs[len(epochs)-1]
	for label, row := range last.Confusion {
		if !slices.Equal(row, counts[label][:]) {
			t.Errorf("class %d: told %v, the checkpoint says %v", label, row, counts[label])
		}
	}
	near(t, "validation loss", last.ValidLoss, loss, 1e-5)
	near(t, "accuracy", last.Confusion.Accuracy(), float64(counts[0][0]+counts[1][1]+counts[2][2])/15, 1e-12)
}

func TestAccuracy(t *testing.T) {
	near(t, "accuracy", Confusion{{3, 1, 0}, {0, 2, 0}, {1, 1, 0}}.Accuracy(), 5./8, 1e-15)
	if got := (Confusion{{0, 0}, {0, 0}}).Accuracy(); !math.IsNaN(got) {
		t.Errorf("accuracy of no image is %v", got)
	}
}

// classifierFile is the checkpoint of a classifier, of one step.
func classifierFile(t *testing.T) string {
	t.Helper()
	c, dir := classifierConfig(), t.TempDir()
	c.Train.Steps = 1
	if err := newTrainer(t, shadedSetup(t, c, dir)).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "last.safetensors")
}

func TestContractOfAClassifier(t *testing.T) {
	ck, err := LoadCheckpoint(classifierFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if ck.Prediction != PredictsClasses || ck.Classes != 3 || ck.Net.Kind != config.ResNet || ck.AveragePath != "" {
		t.Errorf("contract %+v", ck.Contract)
	}
	c := classifierConfig()
	if err := ck.Agrees(NewContract(c, 1, 3)); err != nil {
		t.Error(err)
	}
	if err := ck.Agrees(NewContract(c, 1, 4)); fault.Code(err) != 4 || !strings.Contains(err.Error(), "number of classes is 3, the config's is 4") {
		t.Errorf("code %d: %v", fault.Code(err), err)
	}
	unet := toyConfig()
	if err := ck.Agrees(NewContract(unet, 1, 3)); fault.Code(err) != 4 {
		t.Errorf("a U-Net's config: code %d: %v", fault.Code(err), err)
	}
	if n := NewContract(unet, 1, 3).Classes; n != 0 {
		t.Errorf("a U-Net has %d classes", n)
	}
}

// rewritten is a copy of a checkpoint whose contract was changed.
func rewritten(t *testing.T, path string, change func(c map[string]any)) string {
	t.Helper()
	f, err := tensorfile.OpenSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	contract := map[string]any{}
	if err := json.Unmarshal([]byte(f.Meta()[metaContract]), &contract); err != nil {
		t.Fatal(err)
	}
	change(contract)
	text, err := json.Marshal(contract)
	if err != nil {
		t.Fatal(err)
	}
	var ts []tensorfile.Tensor
	for _, name := range f.Names() {
		data, err := f.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		ts = append(ts, tensorfile.Tensor{Name: name, Shape: f.Shape(name), Data: data})
	}
	out := filepath.Join(t.TempDir(), "changed.safetensors")
	meta := map[string]string{metaFormat: "pt", metaStep: f.Meta()[metaStep], metaContract: string(text)}
	if err := tensorfile.WriteSafetensors(out, meta, ts); err != nil {
		t.Fatal(err)
	}
	return out
}

// A contract comes from a file: what it says of classes is checked, and the error
// names the file.
func TestContractsOfClassifiersThatCannotBe(t *testing.T) {
	whole := classifierFile(t)
	for name, change := range map[string]func(c map[string]any){
		"no classes":        func(c map[string]any) { delete(c, "Classes") },
		"negative":          func(c map[string]any) { c["Classes"] = -3 },
		"too many":          func(c map[string]any) { c["Classes"] = 1 << 40 },
		"half a class":      func(c map[string]any) { c["Classes"] = 1.5 },
		"predicts noise":    func(c map[string]any) { c["Prediction"] = "eps" },
		"an unknown kind":   func(c map[string]any) { c["Net"].(map[string]any)["Kind"] = "transformer" },
		"no channels":       func(c map[string]any) { c["Net"].(map[string]any)["Channels"] = []int{} },
		"a U-Net's kind":    func(c map[string]any) { c["Net"].(map[string]any)["Kind"] = "unet" },
		"another key":       func(c map[string]any) { c["Colour"] = "green" },
		"images of no size": func(c map[string]any) { c["Image"] = []int{0, 0, 1} },
		"an oblong image":   func(c map[string]any) { c["Image"] = []int{16, 15, 1} },
	} {
		path := rewritten(t, whole, change)
		if _, err := LoadCheckpoint(path); fault.Code(err) != 4 || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: code %d: %v", name, fault.Code(err), err)
		}
	}
	// These can be read, and are of another net than the tensors.
	for name, change := range map[string]func(c map[string]any){
		"more classes":   func(c map[string]any) { c["Classes"] = 100_000 },
		"more channels":  func(c map[string]any) { c["Net"].(map[string]any)["Channels"] = []int{4, 4, 6, 6, 4096} },
		"too few blocks": func(c map[string]any) { c["Image"] = []int{1024, 1024, 1} },
	} {
		path := rewritten(t, whole, change)
		ck, err := LoadCheckpoint(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := ck.Load(false, kernel.Best()); fault.Code(err) != 4 || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: code %d: %v", name, fault.Code(err), err)
		}
	}
}

// Checkpoints that were written before there was another kind of net say none.
func TestContractWithoutAKind(t *testing.T) {
	c, dir := toyConfig(), t.TempDir()
	c.Model = config.Model{Kind: config.UNet, Channels: []int{4, 8}, Layers: 1, Attention: []bool{false, true}, HeadDim: 4, Groups: 2, Init: "default"}
	net, err := model.NewUNet(c.Model, model.Images{Size: toySide, Channels: 1}, true, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	net.Init(1)
	s := toySetup(t, c, dir)
	s.Net = net
	if err := newTrainer(t, s).write(); err != nil {
		t.Fatal(err)
	}
	path := rewritten(t, filepath.Join(dir, "last.safetensors"), func(c map[string]any) { delete(c["Net"].(map[string]any), "Kind") })
	ck, err := LoadCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	if ck.Net.Kind != config.UNet || ck.Prediction != PredictsEps {
		t.Errorf("contract %+v", ck.Contract)
	}
	if err := ck.Agrees(NewContract(c, 1, 3)); err != nil {
		t.Errorf("against today's config: %v", err)
	}
	got, err := ck.Load(false, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Params().Data, net.Params().Data) {
		t.Error("the net has other weights than were saved")
	}
}

// An exported classifier is the checkpoint's; in bf16 it is rounded to 8 bits.
func TestExportOfAClassifier(t *testing.T) {
	ck, err := LoadCheckpoint(classifierFile(t))
	if err != nil {
		t.Fatal(err)
	}
	net, err := ck.Load(false, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	for _, bf16 := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "out.safetensors")
		if err := ck.Export(path, Export{BF16: bf16}); err != nil {
			t.Fatal(err)
		}
		back, err := LoadCheckpoint(path)
		if err != nil {
			t.Fatal(err)
		}
		if back.Step != 1 || show(back.Contract) != show(ck.Contract) {
			t.Errorf("exported %+v", back)
		}
		got, err := back.Load(false, kernel.Best())
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got.Params().Data {
			want := net.Params().Data[i]
			if d := math.Abs(float64(v - want)); d > 0 && (!bf16 || d > math.Abs(float64(want))/256) {
				t.Errorf("bf16 %v: value %d is %v, was %v", bf16, i, v, want)
				break
			}
		}
	}
	if err := ck.Export(filepath.Join(t.TempDir(), "no", "folder.safetensors"), Export{}); err == nil || !strings.Contains(err.Error(), "folder.safetensors") {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := ck.Export(filepath.Join(t.TempDir(), "x.safetensors"), Export{Average: true}); fault.Code(err) != 4 {
		t.Errorf("an average that is not there: code %d: %v", fault.Code(err), err)
	}
}
