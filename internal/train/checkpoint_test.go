package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/tensorfile"
)

// saved is a folder with a run of c stopped after three steps.
func saved(t *testing.T, c *config.Config) string {
	t.Helper()
	dir := t.TempDir()
	s := toySetup(t, c, dir)
	s.Observers = []Observer{&watcher{on: func(e Event) error {
		if e, ok := e.(Step); ok && e.Step == 3 {
			return errStop
		}
		return nil
	}}}
	if err := newTrainer(t, s).Run(context.Background()); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	return dir
}

func resume(t *testing.T, c *config.Config, dir string) (*Trainer, error) {
	t.Helper()
	tr := newTrainer(t, toySetup(t, c, dir))
	return tr, tr.Resume()
}

func TestCheckpointIsPyTorchsLayoutAndNames(t *testing.T) {
	dir := t.TempDir()
	tr := newTrainer(t, toySetup(t, toyConfig(), dir))
	if err := tr.write(); err != nil {
		t.Fatal(err)
	}
	f, err := tensorfile.OpenSafetensors(filepath.Join(dir, "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, want := f.Names(), []string{"linear.weight", "time.bias"}; !slices.Equal(got, want) {
		t.Errorf("tensors %v, want %v", got, want)
	}
	weight, err := f.Read("linear.weight")
	if err != nil {
		t.Fatal(err)
	}
	const n = toySide * toySide
	for i := range n {
		for o := range n {
			if weight[o*n+i] != tr.Net.Params().Data[i*n+o] {
				t.Fatalf("weight (out %d, in %d) is not the net's", o, i)
			}
		}
	}
}

func TestLoadCheckpointReadsContractAndWeights(t *testing.T) {
	c := toyConfig()
	dir := saved(t, c)
	tr, err := resume(t, c, dir)
	if err != nil {
		t.Fatal(err)
	}
	ck, err := LoadCheckpoint(filepath.Join(dir, "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if ck.Step != 3 || ck.Range != c.Data.Range || ck.Image != [3]int{toySide, toySide, 1} || ck.Schedule != c.Schedule || ck.Prediction != "eps" {
		t.Errorf("contract %+v", ck)
	}
	for average, want := range map[bool][]float32{false: tr.Net.Params().Data, true: tr.optimizer.average} {
		net := newToy(toySide * toySide)
		if err := ck.LoadInto(net.params, average); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(net.params.Data, want) {
			t.Errorf("average %v: other weights than the run's", average)
		}
	}
}

func TestAverageThatWasNotKept(t *testing.T) {
	c := toyConfig()
	c.Train.EMA = 0
	ck, err := LoadCheckpoint(filepath.Join(saved(t, c), "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if err := ck.LoadInto(newToy(toySide*toySide).params, true); fault.Code(err) != 4 || fault.Hint(err) == "" {
		t.Errorf("code %d: %v", fault.Code(err), err)
	}
}

func TestCheckpointOfAnotherNet(t *testing.T) {
	ck, err := LoadCheckpoint(filepath.Join(saved(t, toyConfig()), "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	others := map[string]*model.Params{"other names": {}, "other shape": {}, "fewer": {}}
	others["other names"].Add("conv_in.weight", model.Vector, 256)
	others["other shape"].Add("linear.weight", model.Matrix, 256, 255)
	others["fewer"].Add("linear.weight", model.Matrix, 256, 256)
	for name, ps := range others {
		ps.Alloc()
		if err := ck.LoadInto(ps, false); fault.Code(err) != 4 || !strings.Contains(err.Error(), "another net") {
			t.Errorf("%s: code %d: %v", name, fault.Code(err), err)
		}
	}
}

// Each change of the config makes it another run's checkpoint.
func TestResumeRefusesAnotherRun(t *testing.T) {
	for word, change := range map[string]func(c *config.Config){
		"net":            func(c *config.Config) { c.Model.Groups = 4 },
		"input range":    func(c *config.Config) { c.Data.Range = [2]float64{-1, 1} },
		"noise schedule": func(c *config.Config) { c.Schedule.BetaMax = .02 },
		"another config": func(c *config.Config) { c.Train.LR = .02 },
		"digest":         func(c *config.Config) { c.Train.Epochs = 3 }, // onecycle's rate depends on it
		"not":            func(c *config.Config) { c.Train.Seed = 4 },
	} {
		dir := saved(t, toyConfig())
		c := toyConfig()
		change(c)
		before := contents(t, dir)
		if _, err := resume(t, c, dir); fault.Code(err) != 4 || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: code %d: %v", word, fault.Code(err), err)
		}
		sameFiles(t, word, contents(t, dir), before)
	}
	dir := saved(t, toyConfig())
	s := toySetup(t, toyConfig(), dir)
	s.Train = toyImages(20, 9)
	if err := newTrainer(t, s).Resume(); fault.Code(err) != 4 || !strings.Contains(err.Error(), "other images") {
		t.Errorf("other images: code %d: %v", fault.Code(err), err)
	}
}

// With a constant rate a run may be made longer, and goes through the same
// steps as one that was always so long.
func TestLongerRunAtAConstantRate(t *testing.T) {
	c := toyConfig()
	c.Train.LRSchedule, c.Train.Steps = "constant", 6
	want, _ := straight(t, c)
	dir := t.TempDir()
	c.Train.Steps = 3
	if err := newTrainer(t, toySetup(t, c, dir)).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.Train.Steps = 6
	tr, err := resume(t, c, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := contents(t, dir)
	for _, name := range []string{"last.safetensors", "last.ema.safetensors"} {
		if got[name] != want[name] {
			t.Errorf("%s has other bytes", name)
		}
	}
}

func TestResumeOfAFinishedRunDoesNothing(t *testing.T) {
	c, dir := toyConfig(), t.TempDir()
	if err := newTrainer(t, toySetup(t, c, dir)).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	s, w := toySetup(t, c, dir), new(watcher)
	s.Observers = []Observer{w}
	tr := newTrainer(t, s)
	if err := tr.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(all[Step](w)) != 0 {
		t.Errorf("took %d steps", len(all[Step](w)))
	}
	sameFiles(t, "finished run", contents(t, dir), before)
}

// A disk that fills while the n-th file is written leaves the old checkpoint
// whole and nothing else.
func TestFullDisk(t *testing.T) {
	for n := 1; n <= 3; n++ {
		dir := saved(t, toyConfig())
		before := contents(t, dir)
		tr, err := resume(t, toyConfig(), dir)
		if err != nil {
			t.Fatal(err)
		}
		files := 0
		writeTensors = func(path string, meta map[string]string, ts []tensorfile.Tensor) error {
			if files++; files >= n {
				return fmt.Errorf("write %s: %w", path, syscall.ENOSPC)
			}
			return tensorfile.WriteSafetensors(path, meta, ts)
		}
		err = tr.Run(context.Background())
		writeTensors = tensorfile.WriteSafetensors
		if fault.Code(err) != 1 || !strings.Contains(err.Error(), "no space") || !strings.HasPrefix(fault.Hint(err), "make room, then ") || !strings.Contains(fault.Hint(err), "--resume toy-run") {
			t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
		}
		sameFiles(t, fmt.Sprint("disk full at file ", n), contents(t, dir), before)
	}
}

func TestFolderThatIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	err := newTrainer(t, toySetup(t, toyConfig(), dir)).Run(context.Background())
	if fault.Code(err) != 1 || !strings.Contains(err.Error(), "gone") || !strings.Contains(fault.Hint(err), "start it again") {
		t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
	}
}

// A crash between any two of the file operations of a save leaves a checkpoint
// that resumes, of the step before or of the new one.
func TestCrashWhileSaving(t *testing.T) {
	c := toyConfig()
	old := contents(t, saved(t, c))
	want, _ := straight(t, c)
	tr, err := resume(t, c, saved(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.OneStep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := tr.write(); err != nil {
		t.Fatal(err)
	}
	next := contents(t, tr.Dir)
	names := []string{"last.safetensors", "last.state.safetensors", "last.ema.safetensors"}
	for moment := 0; moment <= 2*len(names); moment++ {
		files := map[string]string{".last.safetensors.new.0123abcd.tmp": "half a file"}
		for i, name := range names {
			files[name] = old[name]
			if moment > i {
				files[name+newSuffix] = next[name]
			}
			if moment > len(names)+i {
				files[name] = next[name]
				delete(files, name+newSuffix)
			}
		}
		dir := t.TempDir()
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(b), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		tr, err := resume(t, c, dir)
		if err != nil {
			t.Fatalf("crash at operation %d: %v", moment, err)
		}
		if wantStep := 3 + moment/len(names); tr.Step != min(wantStep, 4) {
			t.Errorf("crash at operation %d: resumed at step %d, want %d", moment, tr.Step, wantStep)
		}
		if err := tr.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, fmt.Sprint("crash at operation ", moment), contents(t, dir), want)
	}
}

func TestFilesOfTwoStepsAreRefused(t *testing.T) {
	c := toyConfig()
	dir := saved(t, c)
	tr, err := resume(t, c, saved(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.OneStep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := tr.write(); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(statePath(dir, Last), statePath(tr.Dir, Last)); err != nil {
		t.Fatal(err)
	}
	if _, err := resume(t, c, dir); fault.Code(err) != 4 || !strings.Contains(err.Error(), "step 3") || !strings.Contains(err.Error(), "step 4") {
		t.Errorf("code %d: %v", fault.Code(err), err)
	}
}

func TestDamagedCheckpoints(t *testing.T) {
	c := toyConfig()
	for _, name := range []string{"last.safetensors", "last.state.safetensors", "last.ema.safetensors"} {
		for damage, apply := range map[string]func(path string, b []byte) error{
			"truncated": func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)-5], 0o666) },
			"empty":     func(path string, b []byte) error { return os.WriteFile(path, nil, 0o666) },
			"missing":   func(path string, b []byte) error { return os.Remove(path) },
			"no text": func(path string, b []byte) error {
				return tensorfile.WriteSafetensors(path, nil, []tensorfile.Tensor{{Name: "x", Shape: []int{1}, Data: []float32{1}}})
			},
			"other format": func(path string, b []byte) error {
				return os.WriteFile(path, []byte(strings.Replace(string(b), `{\"Version\":1,`, `{\"Version\":2,`, 1)), 0o666)
			},
			"counters": func(path string, b []byte) error {
				return os.WriteFile(path, []byte(strings.Replace(string(b), `\"Position\":3`, `\"Position\":7`, 1)), 0o666)
			},
		} {
			if damage == "other format" && name != "last.safetensors" || damage == "counters" && name != "last.state.safetensors" {
				continue
			}
			dir := saved(t, c)
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := apply(path, b); err != nil {
				t.Fatal(err)
			}
			if _, err := resume(t, c, dir); fault.Code(err) != 4 {
				t.Errorf("%s %s: code %d: %v", name, damage, fault.Code(err), err)
			}
		}
	}
}

// A contract may name any net: memory is taken only for one as large as the
// file's tensors.
func TestContractOfAHugeNet(t *testing.T) {
	c := toyConfig()
	c.Model.Channels = []int{4096, 4096, 4096, 4096}
	ck, err := LoadCheckpoint(filepath.Join(saved(t, c), "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ck.Load(false, kernel.Best()); fault.Code(err) != 4 || !strings.Contains(err.Error(), "another net") {
		t.Errorf("code %d: %v", fault.Code(err), err)
	}
}

func TestNetOfACheckpoint(t *testing.T) {
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
	ck, err := LoadCheckpoint(filepath.Join(dir, "last.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ck.Load(true, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Params().Data, net.Params().Data) {
		t.Error("the net has other weights than were saved")
	}
}
