package train

import (
	"context"
	"fmt"
	"testing"
)

// stopAt stops a run of c well where at says so and tells where it stood then.
// Behind the observer that asks for it stands another.
func stopAt(t *testing.T, s Setup, at func(Event) bool) (Progress, *watcher) {
	t.Helper()
	behind := new(watcher)
	s.Observers = []Observer{&watcher{on: func(e Event) error {
		if at(e) {
			return fmt.Errorf("good enough: %w", ErrStop)
		}
		return nil
	}}, behind}
	tr := newTrainer(t, s)
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return tr.Progress, behind
}

// A run that an observer stopped goes on to the bytes of one that was never
// stopped, wherever that was: within an epoch of 4 steps, at its last step, while
// it ends, and at the run's last step.
func TestStoppedRunEndsInTheSameBytes(t *testing.T) {
	c := toyConfig()
	c.Train.GridEvery, c.Train.KeepEvery, c.Eval.Every = 1, 1, 1
	want, _ := straight(t, c)
	type place struct {
		at   func(Event) bool
		step int // where the run then stands
	}
	places := map[string]place{
		"as it starts":  {func(e Event) bool { _, ok := e.(Started); return ok }, 0},
		"in validation": {func(e Event) bool { _, ok := e.(Validating); return ok }, 4},
		"at an epoch":   {func(e Event) bool { _, ok := e.(Epoch); return ok }, 4},
		"at a score":    {func(e Event) bool { _, ok := e.(*Evaluation); return ok }, 4},
		"at a save":     {func(e Event) bool { _, ok := e.(Saved); return ok }, 4},
	}
	for step := 1; step <= 8; step++ {
		places[fmt.Sprint("at step ", step)] = place{func(e Event) bool { s, ok := e.(Step); return ok && s.Step == step }, step}
	}
	for name, p := range places {
		dir := t.TempDir()
		progress, behind := stopAt(t, toySetup(t, c, dir), p.at)
		if progress.Step != p.step || len(all[Step](behind)) != p.step {
			t.Errorf("%s: stands at step %d, the observer behind heard of %d; want %d", name, progress.Step, len(all[Step](behind)), p.step)
		}
		if whole := p.step / 4; progress.Epoch != whole || len(all[Epoch](behind)) != whole || len(all[*Evaluation](behind)) != whole {
			t.Errorf("%s: %d epochs ended, %d validated, %d scored; want %d", name, progress.Epoch, len(all[Epoch](behind)), len(all[*Evaluation](behind)), whole)
		}
		s := toySetup(t, c, dir)
		tr := newTrainer(t, s)
		if p.step > 0 {
			if err := tr.Resume(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := tr.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, name, contents(t, dir), want)
	}
}
