package run

import (
	"context"
	"errors"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/model"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"
	"diffuse/internal/train"
)

func create(t *testing.T) Folder {
	t.Helper()
	f, lock, err := Create(t.TempDir(), "a", "", []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lock.Release)
	return f
}

func TestOnlyOneWritesARun(t *testing.T) {
	f, lock, err := Create(t.TempDir(), "a", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock(); fault.Code(err) != 1 || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second lock: code %d: %v", fault.Code(err), err)
	}
	lock.Release()
	again, err := f.Lock()
	if err != nil {
		t.Errorf("after release: %v", err)
	}
	again.Release()
}

func TestFindAndNewest(t *testing.T) {
	runs := t.TempDir()
	if _, err := Newest(runs); fault.Code(err) != 4 {
		t.Errorf("no runs: code %d: %v", fault.Code(err), err)
	}
	now := time.Now()
	for i, name := range []string{"old", "new", "empty"} {
		f, lock, err := Create(runs, name, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		lock.Release()
		if name == "empty" { // has no checkpoint yet
			continue
		}
		if err := os.WriteFile(f.LastPath(), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		at := now.Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(f.LastPath(), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := Newest(runs); err != nil || f.Name != "new" {
		t.Errorf("newest is %q, %v", f.Name, err)
	}
	for _, given := range []string{"old", filepath.Join(runs, "old"), filepath.Join(runs, "old") + "/"} {
		if f, err := Find(runs, given); err != nil || f.Name != "old" {
			t.Errorf("%s is %+v, %v", given, f, err)
		}
	}
	if _, err := Find(runs, "odl"); fault.Code(err) != 4 || !strings.Contains(fault.Hint(err), "empty, new, old") {
		t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
	}
}

func TestNamesDoNotCollide(t *testing.T) {
	runs, seen := t.TempDir(), map[string]bool{}
	for range 100 {
		f, lock, err := Create(runs, "", "quick", nil)
		if err != nil {
			t.Fatal(err)
		}
		lock.Release()
		if seen[f.Name] || !strings.HasPrefix(f.Name, "quick-") {
			t.Errorf("name %q", f.Name)
		}
		seen[f.Name] = true
	}
	if name := generateName("quick", 8); !strings.HasSuffix(name, "-2") {
		t.Errorf("after eight collisions the name is %q, without a number", name)
	}
}

func TestNamesThatAreNoFolders(t *testing.T) {
	for _, name := range []string{"..", ".", "a/b", `a\b`, "-x", ".x", "a b", "$x", strings.Repeat("a", 65)} {
		if _, _, err := Create(t.TempDir(), name, "", nil); fault.Code(err) != 2 {
			t.Errorf("%q: code %d: %v", name, fault.Code(err), err)
		}
	}
}

// TestRunThatCannotBeWritten: the error names the run and says what to do; it
// does not speak of making one.
func TestRunThatCannotBeWritten(t *testing.T) {
	f := create(t)
	if err := os.Mkdir(f.LogPath(), 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := OpenLog(f, Origin{})
	if fault.Code(err) != 1 || !strings.Contains(err.Error(), "write to run "+f.Name) || !strings.Contains(fault.Hint(err), "copy the run") {
		t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
	}
}

func observe(t *testing.T, o train.Observer, events ...train.Event) {
	t.Helper()
	for _, e := range events {
		if err := o.Observe(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func logged(t *testing.T, f Folder, events ...train.Event) {
	t.Helper()
	l, err := OpenLog(f, Origin{Machine: Machine{Version: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.now = func() time.Time { return time.Unix(0, 0) }
	observe(t, l, events...)
}

func TestLogLines(t *testing.T) {
	f := create(t)
	logged(t, f,
		train.Started{Total: 2, StepsPerEpoch: 2},
		train.Step{Step: 1, Epoch: 1, Images: 4, Loss: .5, LR: .1, GradNorm: 2, Seconds: .25},
		train.NonFinite{Step: 2, Epoch: 1, What: "loss", Layer: "mid", InRow: 1, Count: 1},
		train.Validating{},
		train.Epoch{Epoch: 1, Step: 2, TrainLoss: .5, ValidLoss: math.NaN(), AverageOn: true, ValidEMA: .25, Seconds: 1},
		GridDrawn{1, 2, filepath.Join(f.SamplesDir(), "epoch-0001.png"), []string{"raw", "ema"}},
		train.Saved{Step: 2, Best: true},
	)
	b, err := os.ReadFile(f.LogPath())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"event":"step","step":1,"epoch":1,"loss":0.5,"lr":0.1,"grad_norm":2,"img_per_s":16,"images":4}
{"event":"non_finite","step":2,"epoch":1,"what":"loss","layer":"mid","in_row":1,"count":1}
{"event":"epoch","time":"1970-01-01T00:00:00Z","epoch":1,"step":2,"train_loss":0.5,"valid_loss":null,"valid_loss_ema":0.25,"best":false,"seconds":1}
{"event":"grid","time":"1970-01-01T00:00:00Z","epoch":1,"step":2,"path":"samples/epoch-0001.png","panels":["raw","ema"]}
{"event":"checkpoint","time":"1970-01-01T00:00:00Z","step":2,"best":true}
`
	start, rest, _ := strings.Cut(string(b), "\n")
	rest = regexp.MustCompile(`,"memory":[0-9]+`).ReplaceAllString(rest, "")
	if rest != want || !strings.Contains(start, `"event":"start"`) || !strings.Contains(start, `"version":"test"`) {
		t.Errorf("log is\n%s\n%s", start, rest)
	}
}

// A run killed after step 3 and resumed from its checkpoint of step 1 has each
// step once in its record, as the second attempt went; the line that the kill
// cut short harms no other.
func TestRecordAfterACrash(t *testing.T) {
	f := create(t)
	step := func(n int, loss float64) train.Step {
		return train.Step{Step: n, Epoch: 1, Images: 1, Loss: loss, Seconds: 1}
	}
	logged(t, f, train.Started{}, step(1, .1), step(2, .2), step(3, .3), train.Epoch{Epoch: 1, Step: 3, ValidLoss: .3})
	file, err := os.OpenFile(f.LogPath(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"event":"step","step":4,"lo`); err != nil {
		t.Fatal(err)
	}
	file.Close()
	logged(t, f, train.Started{Step: 1}, step(2, .22), train.Epoch{Epoch: 1, Step: 2, ValidLoss: .5}, train.Epoch{Epoch: 1, Step: 2, ValidLoss: .4})

	h, err := ReadRecord(f)
	if err != nil {
		t.Fatal(err)
	}
	var losses []float64
	for _, s := range h.Steps {
		losses = append(losses, s.Loss)
	}
	if len(losses) != 2 || losses[0] != .1 || losses[1] != .22 {
		t.Errorf("losses %v, want .1 and .22", losses)
	}
	if len(h.Epochs) != 1 || *h.Epochs[0].ValidLoss != .4 {
		t.Errorf("epochs %+v, want the last of step 2", h.Epochs)
	}
}

func TestCurvesAreDrawnOfEachEpoch(t *testing.T) {
	f := create(t)
	l, err := OpenLog(f, Origin{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	curves := Curves{f}
	events := []train.Event{train.Started{Total: 40}}
	for s := range 40 {
		events = append(events, train.Step{Step: s + 1, Images: 1, Loss: 1 / float64(s+1), LR: .1, Seconds: 1})
	}
	events = append(events, train.Epoch{Epoch: 1, Step: 40, ValidLoss: .1})
	for _, e := range events {
		observe(t, l, e)
		observe(t, curves, e)
	}
	file, err := os.Open(f.CurvesPath())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := png.Decode(file); err != nil {
		t.Error(err)
	}
}

func TestSmoothIsAMovingMean(t *testing.T) {
	got := smooth([]float64{1, 3, 5, 11}, 2)
	for i, want := range []float64{1, 2, 4, 8} {
		if got[i] != want {
			t.Errorf("smooth %v", got)
			break
		}
	}
}

// constantNet predicts such noise that DDIM's last step makes every pixel of
// x0_hat the value.
type constantNet struct {
	model.Net // nil: only workers are asked for
	value     float32
	s         *schedule.Schedule
}

func (n *constantNet) Worker(int, bool) (model.Worker, error) { return constantWorker{n}, nil }

type constantWorker struct{ net *constantNet }

func (w constantWorker) Predict(y, x []float32, t []float64, _ []int) error {
	size := len(x) / len(t)
	for i, ti := range t {
		a := w.net.s.AlphabarAt(ti)
		for j := range size {
			y[i*size+j] = float32((float64(x[i*size+j]) - math.Sqrt(a)*float64(w.net.value)) / math.Sqrt(1-a))
		}
	}
	return nil
}
func (w constantWorker) Gradients(_ []float32, _ []float64, _, _ []float32, _ []float64, _ []int, _ []float32, _ float32) error {
	return errors.New("not asked for")
}
func (w constantWorker) FirstNonFinite() string { return "" }

// The weights' images stand on the left, those of the average on the right.
func TestGridShowsWeightsAndAverageSideBySide(t *testing.T) {
	f, c := create(t), config.Default()
	c.Data.Range, c.Train.GridImages, c.Sample.Steps, c.Sample.Eta = [2]float64{0, 1}, 4, 3, 0
	c.Sample.Guide, c.Sample.Guidance = "epoch-0009", 2 // which is not there yet
	s, err := schedule.New(c.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	net := &constantNet{value: .2, s: s}
	g := &Grids{Folder: f, Config: &c, Schedule: s, Shape: sample.Shape{H: 8, W: 8, C: 1}, Workers: 2}
	observe(t, g, train.Step{}, train.Grid{Epoch: 7, Net: net, WithAverage: func(draw func() error) error {
		net.value = .6
		defer func() { net.value = .2 }()
		return draw()
	}})
	file, err := os.Open(filepath.Join(f.SamplesDir(), "epoch-0007.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	// Two by two images of 8 pixels, gaps of 2: a panel is 22 pixels wide.
	if b := picture.Bounds(); b.Dx() != 44 || b.Dy() != 22 {
		t.Fatalf("the grid is %v", b)
	}
	for _, c := range []struct{ x, y, want int }{{2, 2, 51}, {19, 19, 51}, {24, 2, 153}, {41, 19, 153}} {
		got := int(color.GrayModel.Convert(picture.At(c.x, c.y)).(color.Gray).Y)
		if got < c.want-1 || got > c.want+1 {
			t.Errorf("pixel (%d, %d) is %d, want %d", c.x, c.y, got, c.want)
		}
	}
}

// A net that draws what is not finite ends no run: the log says so instead.
func TestGridThatCannotBeDrawn(t *testing.T) {
	f, c := create(t), config.Default()
	c.Sample.Steps, c.Train.GridImages = 2, 1
	s, err := schedule.New(c.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(f, Origin{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	net := &constantNet{value: float32(math.NaN()), s: s}
	g := &Grids{Folder: f, Config: &c, Schedule: s, Shape: sample.Shape{H: 8, W: 8, C: 1}, Workers: 1, Drawn: []train.Observer{l}}
	observe(t, g, train.Grid{Epoch: 1, Step: 5, Net: net})
	b, err := os.ReadFile(f.LogPath())
	if err != nil || !strings.HasPrefix(string(b), `{"event":"grid_failed","time":"`) {
		t.Errorf("log %q, %v", b, err)
	}
	if entries, _ := os.ReadDir(f.SamplesDir()); len(entries) != 0 {
		t.Errorf("left %v", entries)
	}
}
