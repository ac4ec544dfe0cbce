package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/rng"
)

// watcher keeps the events and can react to them.
type watcher struct {
	events []Event
	on     func(e Event) error
}

func (w *watcher) Observe(_ context.Context, e Event) error {
	w.events = append(w.events, e)
	if w.on == nil {
		return nil
	}
	return w.on(e)
}

func all[T any](w *watcher) []T {
	var es []T
	for _, e := range w.events {
		if e, ok := e.(T); ok {
			es = append(es, e)
		}
	}
	return es
}

// contents are a folder's files by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func sameFiles(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %s has other bytes (%d, want %d)", what, name, len(got[name]), len(want[name]))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is too many", what, name)
		}
	}
}

// straight is what a run of c leaves in its folder.
func straight(t *testing.T, c *config.Config) (map[string]string, *watcher) {
	t.Helper()
	dir, w := t.TempDir(), new(watcher)
	s := toySetup(t, c, dir)
	s.Observers = []Observer{w}
	if err := newTrainer(t, s).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return contents(t, dir), w
}

func TestLoopTellsItsObservers(t *testing.T) {
	c := toyConfig()
	c.Train.GridEvery = 2
	files, w := straight(t, c)
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, strings.TrimPrefix(fmt.Sprintf("%T", e), "train."))
	}
	want := "Started Step Step Step Step Validating Epoch Saved Step Step Step Step Validating Epoch Grid Saved"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("events are\n%s, want\n%s", got, want)
	}
	steps := all[Step](w)
	for i, n := range []int{6, 6, 6, 2} {
		if steps[i].Images != n || steps[i].Step != i+1 || steps[i].Total != 8 {
			t.Errorf("step %d is %+v", i, steps[i])
		}
	}
	// The epoch's loss weighs each image alike, though its last batch is small.
	e := all[Epoch](w)[0]
	near(t, "train loss", e.TrainLoss, (6*(steps[0].Loss+steps[1].Loss+steps[2].Loss)+2*steps[3].Loss)/20, 1e-12)
	for _, name := range []string{"last", "best"} {
		for _, part := range []string{"", ".ema", ".state"} {
			if files[name+part+".safetensors"] == "" {
				t.Errorf("no %s%s.safetensors", name, part)
			}
		}
	}
}

func TestTrainingLowersTheLoss(t *testing.T) {
	c := toyConfig()
	c.Train.Epochs = 30
	_, w := straight(t, c)
	epochs := all[Epoch](w)
	first, last := epochs[0], epochs[len(epochs)-1]
	if last.ValidLoss > .85*first.ValidLoss || last.ValidEMA > .85*first.ValidEMA {
		t.Errorf("from %+v to %+v", first, last)
	}
}

func TestRunBitsDoNotDependOnWorkers(t *testing.T) {
	want, _ := straight(t, toyConfig())
	for _, workers := range []int{1, 8} {
		dir := t.TempDir()
		s := toySetup(t, toyConfig(), dir)
		s.Workers = workers
		if err := newTrainer(t, s).Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, fmt.Sprint(workers, " workers"), contents(t, dir), want)
	}
}

// The loss is found again from the definitions, in another order of work: image
// i at step s has noise and timestep of its own counters, the order of images
// is the epoch's.
func TestStepLossFromTheDefinitions(t *testing.T) {
	c := toyConfig()
	s := toySetup(t, c, "")
	w := new(watcher)
	s.Observers = []Observer{w}
	tr := newTrainer(t, s)
	const size = toySide * toySide
	var want float64
	for _, i := range tr.batch() {
		x, eps, y := make([]float32, size), make([]float32, size), make([]float32, size)
		s.Train.Fill(x, []int{i}, toySide, -.5, .5, func(i int) dataset.Move {
			return dataset.Move{Mirror: rng.Intn(2, 3, rng.Flip, uint64(i), 0) == 1}
		})
		rng.Normal(eps, 3, rng.Noise, uint64(i), 0)
		u := int(1000 * rng.Uniform(3, rng.Timestep, uint64(i), 0))
		noisify(s.Kernels, x, eps, []float64{s.Schedule.Alphabar[u]})
		worker, _ := s.Net.Worker(1, false)
		if err := worker.Predict(y, x, []float64{float64(u)}, nil); err != nil {
			t.Fatal(err)
		}
		for j := range y {
			want += float64(y[j]-eps[j]) * float64(y[j]-eps[j]) / (6 * size)
		}
	}
	if err := tr.OneStep(context.Background()); err != nil {
		t.Fatal(err)
	}
	near(t, "loss", all[Step](w)[0].Loss, want, 1e-9)
}

func TestStepsEndTheRunWhateverTheEpochs(t *testing.T) {
	c := toyConfig()
	c.Train.Steps = 6 // one epoch and a half
	_, w := straight(t, c)
	if n := len(all[Step](w)); n != 6 {
		t.Errorf("%d steps, want 6", n)
	}
	if n := len(all[Epoch](w)); n != 2 {
		t.Errorf("%d validations, want 2: the last of the part of an epoch", n)
	}
	c.Train.Steps = 11 // more than two epochs
	_, w = straight(t, c)
	if n := len(all[Step](w)); n != 11 {
		t.Errorf("%d steps, want 11", n)
	}
}

// errStop stops a run from outside, as a killed process would, but for the
// saving.
var errStop = errors.New("stop")

// stoppedAndResumed runs c, stops it when stop says so, and resumes it as a new
// process would: with a new net and trainer, and other workers.
func stoppedAndResumed(t *testing.T, c *config.Config, stop func(e Event, cancel func()) error) map[string]string {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := toySetup(t, c, dir)
	s.Observers = []Observer{&watcher{on: func(e Event) error { return stop(e, cancel) }}}
	if err := newTrainer(t, s).Run(ctx); err == nil {
		t.Fatal("the run was not stopped")
	}
	s = toySetup(t, c, dir)
	s.Workers = 5
	clear(s.Net.Params().Data) // all must come from the checkpoint
	tr := newTrainer(t, s)
	if err := tr.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return contents(t, dir)
}

func TestResumedRunEndsInTheSameBytes(t *testing.T) {
	c := toyConfig()
	c.Train.GridEvery, c.Train.KeepEvery = 1, 1
	want, _ := straight(t, c)
	for step := 1; step <= 8; step++ {
		got := stoppedAndResumed(t, c, func(e Event, _ func()) error {
			if e, ok := e.(Step); ok && e.Step == step {
				return errStop
			}
			return nil
		})
		sameFiles(t, fmt.Sprint("stopped at step ", step), got, want)
	}
}

func TestInterruptedRunEndsInTheSameBytes(t *testing.T) {
	c := toyConfig()
	c.Train.GridEvery = 1
	want, _ := straight(t, c)
	for name, hit := range map[string]func(Event) bool{
		"within step 3": func(e Event) bool { s, ok := e.(Step); return ok && s.Step == 2 },
		"in validation": func(e Event) bool { _, ok := e.(Validating); return ok },
		"in the grid":   func(e Event) bool { _, ok := e.(Grid); return ok },
		"after a save":  func(e Event) bool { _, ok := e.(Saved); return ok },
	} {
		done := false
		got := stoppedAndResumed(t, c, func(e Event, cancel func()) error {
			if !done && hit(e) {
				done = true
				cancel()
				if _, ok := e.(Grid); ok {
					return context.Canceled // a grid ends when its context does
				}
			}
			return nil
		})
		sameFiles(t, name, got, want)
	}
}

func TestInterruptSavesAndSaysHowToGoOn(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	s := toySetup(t, toyConfig(), dir)
	s.Observers = []Observer{&watcher{on: func(e Event) error {
		if e, ok := e.(Step); ok && e.Step == 3 {
			cancel()
		}
		return nil
	}}}
	err := newTrainer(t, s).Run(ctx)
	if fault.Code(err) != 130 || fault.Hint(err) != "diffuse train --resume toy-run" {
		t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
	}
	c, err := LoadCheckpoint(filepath.Join(dir, "last.safetensors"))
	if err != nil || c.Step != 3 {
		t.Errorf("saved %+v, %v; want step 3", c, err)
	}
}

func TestCheckpointsWithinAnEpoch(t *testing.T) {
	c := toyConfig()
	c.Train.CheckpointEvery = 3
	_, w := straight(t, c)
	var at []int
	for _, s := range all[Saved](w) {
		at = append(at, s.Step)
	}
	if want := []int{3, 4, 6, 8}; !slices.Equal(at, want) {
		t.Errorf("saved at steps %v, want %v", at, want)
	}
}

func TestNonFiniteStepChangesNothingAndIsNamed(t *testing.T) {
	c := toyConfig()
	c.Train.Epochs, c.Train.EMA = 1, 0
	s := toySetup(t, c, t.TempDir())
	net := s.Net.(*toy)
	net.poison = func(call int) bool { return call == 5 } // in the second step
	var before []float32
	w := &watcher{}
	w.on = func(e Event) error {
		switch e.(type) {
		case Step:
			before = slices.Clone(net.params.Data)
		case NonFinite:
			if !slices.Equal(net.params.Data, before) {
				t.Error("a non-finite step changed the weights")
			}
		}
		return nil
	}
	s.Observers = []Observer{w}
	tr := newTrainer(t, s)
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := []NonFinite{{Step: 2, Epoch: 1, What: "loss", Layer: "linear", InRow: 1, Count: 1}}
	if got := all[NonFinite](w); !slices.Equal(got, want) {
		t.Errorf("told %+v, want %+v", got, want)
	}
	if tr.Step != 4 || tr.Updates != 3 || tr.NonFinite != 1 || tr.NonFiniteInRow != 0 {
		t.Errorf("progress %+v", tr.Progress)
	}
}

func TestNonFiniteStepsInARowEndTheRun(t *testing.T) {
	c := toyConfig()
	c.Train.CheckpointEvery = 1
	dir := t.TempDir()
	s := toySetup(t, c, dir)
	s.Net.(*toy).poison = func(call int) bool { return call > 6 } // from step 3 on
	var whole map[string]string
	w := &watcher{}
	w.on = func(e Event) error {
		if e, ok := e.(Saved); ok && e.Step == 4 {
			whole = contents(t, dir)
		}
		return nil
	}
	s.Observers = []Observer{w}
	err := newTrainer(t, s).Run(context.Background())
	if fault.Code(err) != 5 || !strings.Contains(err.Error(), "linear") || fault.Hint(err) == "" {
		t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
	}
	if n := len(all[NonFinite](w)); n != 3 {
		t.Errorf("ended after %d non-finite steps, want 3", n)
	}
	sameFiles(t, "after divergence", contents(t, dir), whole)
}

// An update can overflow though the gradient is finite: no checkpoint may be
// written of that.
func TestNonFiniteWeightsAreNotSaved(t *testing.T) {
	dir := t.TempDir()
	s := toySetup(t, toyConfig(), dir)
	tr := newTrainer(t, s)
	if err := tr.save(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	whole := contents(t, dir)
	for _, spoil := range []func(nan float32){
		func(nan float32) { tr.Net.Params().Data[5] = nan },
		func(nan float32) { tr.optimizer.v[5] = nan },
	} {
		var zero float32
		spoil(1 / zero)
		if err := tr.save(context.Background(), false); fault.Code(err) != 5 || !strings.Contains(err.Error(), "linear.weight") {
			t.Errorf("code %d: %v", fault.Code(err), err)
		}
		spoil(0)
		sameFiles(t, "after a refused save", contents(t, dir), whole)
	}
}

// The weights that a non-finite step was computed with may be what is wrong:
// within an epoch they replace no checkpoint.
func TestNoCheckpointOfANonFiniteStep(t *testing.T) {
	c := toyConfig()
	c.Train.Epochs, c.Train.CheckpointEvery = 1, 1
	s := toySetup(t, c, t.TempDir())
	s.Net.(*toy).poison = func(call int) bool { return call == 5 } // in the second step
	w := &watcher{}
	s.Observers = []Observer{w}
	if err := newTrainer(t, s).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	var at []int
	for _, s := range all[Saved](w) {
		at = append(at, s.Step)
	}
	if want := []int{1, 3, 4}; !slices.Equal(at, want) {
		t.Errorf("saved at steps %v, want %v", at, want)
	}
}

// One step at a huge rate leaves weights that are finite and useless: the
// validation tells, and the checkpoint before stays.
func TestNonFiniteValidationEndsTheRun(t *testing.T) {
	c := toyConfig()
	c.Train.LRSchedule, c.Train.Steps = "constant", 4
	dir := t.TempDir()
	if err := newTrainer(t, toySetup(t, c, dir)).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	c.Train.Steps = 5
	tr, err := resume(t, c, dir)
	if err != nil {
		t.Fatal(err)
	}
	tr.rate = func(int) (float64, float64) { return 1e38, .9 }
	if err := tr.Run(context.Background()); fault.Code(err) != 5 || !strings.Contains(err.Error(), "validation loss after step 5") {
		t.Errorf("code %d: %v", fault.Code(err), err)
	}
	sameFiles(t, "after divergence", contents(t, dir), before)
}
