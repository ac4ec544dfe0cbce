package train

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"diffuse/internal/config"
)

// scoredConfig asks for a score each epoch of four.
func scoredConfig() *config.Config {
	c := toyConfig()
	c.Train.Epochs, c.Eval.Every = 4, 1
	return c
}

// scoring sets the FID of each epoch; a nil is a score that failed.
func scoring(fids ...*float64) *watcher {
	return &watcher{on: func(e Event) error {
		if e, ok := e.(*Evaluation); ok {
			e.FID = fids[e.Epoch-1]
		}
		return nil
	}}
}

// runScored trains c in dir, heard by w.
func runScored(t *testing.T, c *config.Config, dir string, w *watcher) *Trainer {
	t.Helper()
	s := toySetup(t, c, dir)
	s.Observers = []Observer{w}
	tr := newTrainer(t, s)
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return tr
}

// A score is asked for every so many epochs and at the end of the run, after the
// grid, with the average at hand.
func TestEvaluationsAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		every, steps int
		average      float64
		want         []int // epochs
	}{
		{0, 0, .99, nil}, {1, 0, .99, []int{1, 2, 3, 4}}, {2, 0, 0, []int{2, 4}}, {3, 0, .99, []int{3, 4}}, {10, 0, .99, []int{4}}, {1, 6, .99, []int{1, 2}},
	} {
		conf := scoredConfig()
		conf.Eval.Every, conf.Train.Steps, conf.Train.EMA = c.every, c.steps, c.average
		w := new(watcher)
		tr := runScored(t, conf, t.TempDir(), w)
		var epochs []int
		for _, e := range all[*Evaluation](w) {
			epochs = append(epochs, e.Epoch)
			if e.Net != tr.Net || (e.WithAverage != nil) != (c.average > 0) {
				t.Errorf("%+v: evaluation %+v", c, e)
			}
		}
		if !slices.Equal(epochs, c.want) {
			t.Errorf("%+v: scores in epochs %v", c, epochs)
		}
	}
}

// best-fid is the checkpoint of the lowest score; one that failed counts for
// nothing, and of equal ones the first stays.
func TestBestFIDIsKept(t *testing.T) {
	for _, c := range []struct {
		fids []*float64
		want int // the epoch
	}{
		{[]*float64{new(9.0), new(7.0), new(8.0), new(7.0)}, 2},
		{[]*float64{new(1.0), new(2.0), new(3.0), new(4.0)}, 1},
		{[]*float64{nil, new(5.0), nil, new(4.0)}, 4},
		{[]*float64{new(math.NaN()), new(5.0), new(math.Inf(1)), new(6.0)}, 2},
		{[]*float64{new(-1e-9), new(0.0), new(1.0), nil}, 1},
		{[]*float64{nil, nil, nil, nil}, 0},
	} {
		dir := t.TempDir()
		conf := scoredConfig()
		conf.Train.KeepEvery = 1
		tr := runScored(t, conf, dir, scoring(c.fids...))
		files := contents(t, dir)
		for _, part := range []string{"", ".ema", ".state"} {
			want := ""
			if c.want > 0 {
				want = files[fmt.Sprintf("epoch-%04d%s.safetensors", c.want, part)]
			}
			if files["best-fid"+part+".safetensors"] != want {
				t.Errorf("%v: best-fid%s is not that of epoch %d", show(c.fids[1]), part, c.want)
			}
		}
		if c.want > 0 && *tr.BestFID != *c.fids[c.want-1] {
			t.Errorf("best FID %v, want %v", *tr.BestFID, *c.fids[c.want-1])
		}
		if _, err := resume(t, conf, dir); err != nil { // what was saved can be read
			t.Error(err)
		}
	}
}

// What scored best before an interruption is still the best after it.
func TestBestFIDIsResumed(t *testing.T) {
	fids := []*float64{new(5.0), new(9.0), new(6.0), new(7.0)}
	want := t.TempDir()
	runScored(t, scoredConfig(), want, scoring(fids...))
	for step := 1; step <= 16; step += 3 {
		dir := t.TempDir()
		s := toySetup(t, scoredConfig(), dir)
		s.Observers = []Observer{scoring(fids...), &watcher{on: func(e Event) error {
			if e, ok := e.(Step); ok && e.Step == step {
				return errStop
			}
			return nil
		}}}
		if err := newTrainer(t, s).Run(context.Background()); err == nil {
			t.Fatal("the run was not stopped")
		}
		s = toySetup(t, scoredConfig(), dir)
		s.Observers = []Observer{scoring(fids...)}
		tr := newTrainer(t, s)
		if err := tr.Resume(); err != nil {
			t.Fatal(err)
		}
		if err := tr.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, fmt.Sprint("stopped at step ", step), contents(t, dir), contents(t, want))
	}
}

// Ctrl-C while images are scored: the score is made again, and nothing is lost.
func TestInterruptedScore(t *testing.T) {
	fids := []*float64{new(5.0), new(9.0), new(6.0), new(4.0)}
	want := t.TempDir()
	runScored(t, scoredConfig(), want, scoring(fids...))
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := toySetup(t, scoredConfig(), dir)
	s.Observers = []Observer{&watcher{on: func(e Event) error {
		if e, ok := e.(*Evaluation); ok {
			if e.Epoch == 2 {
				cancel()
				return context.Canceled
			}
			e.FID = fids[e.Epoch-1]
		}
		return nil
	}}}
	if err := newTrainer(t, s).Run(ctx); err == nil {
		t.Fatal("the run was not stopped")
	}
	s = toySetup(t, scoredConfig(), dir)
	w := scoring(fids...)
	s.Observers = []Observer{w}
	tr := newTrainer(t, s)
	if err := tr.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if first := all[*Evaluation](w)[0]; first.Epoch != 2 {
		t.Errorf("the first score after the interruption is of epoch %d", first.Epoch)
	}
	sameFiles(t, "interrupted score", contents(t, dir), contents(t, want))
}

// A run that was stopped before its first step has no best checkpoint yet.
func TestNothingIsBestBeforeTheFirstStep(t *testing.T) {
	c, dir := toyConfig(), t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := newTrainer(t, toySetup(t, c, dir)).Run(ctx); err == nil {
		t.Fatal("the run was not stopped")
	}
	if _, err := resume(t, c, dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{Best, BestFID} {
		if _, err := os.Stat(filepath.Join(dir, name+".safetensors")); err == nil {
			t.Errorf("%s.safetensors is of a net that has learnt nothing", name)
		}
	}
}

// Scoring changes no weights and is no part of the config's arithmetic: a run may
// begin without and go on with it.
func TestScoresMayBeginLater(t *testing.T) {
	dir := saved(t, toyConfig())
	c := toyConfig()
	c.Eval.Every, c.Eval.Samples = 1, 16
	tr, err := resume(t, c, dir)
	if err != nil {
		t.Fatal(err)
	}
	w := scoring(new(3.0), new(2.0))
	tr.Observers = []Observer{w}
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want, _ := straight(t, toyConfig())
	got := contents(t, dir)
	for _, name := range []string{"last.safetensors", "last.ema.safetensors"} {
		if got[name] != want[name] {
			t.Errorf("%s has other bytes", name)
		}
	}
	if tr.BestFID == nil || *tr.BestFID != 2 {
		t.Errorf("best FID %v", tr.BestFID)
	}
}
