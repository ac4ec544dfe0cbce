package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/plot"
	"diffuse/internal/run"

	"github.com/google/go-cmp/cmp"
)

// tinySweep is quick.yaml made tiny: 3 steps an epoch, two epochs.
const tinySweep = `config: quick.yaml
set:
  train.epochs: 2
  train.batch: 8
  train.micro_batch: 3
  train.grid_every: 0
  model.channels: [8, 8]
  model.attention: [false, true]
  model.groups: 4
  model.head_dim: 4
  data.train: 20
  data.valid: 6
`

// sweepFile writes a tiny sweep called my.yaml with what its runs set.
func sweepFile(t *testing.T, runs string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "my.yaml")
	if err := os.WriteFile(path, []byte(tinySweep+runs), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// sweepCommand runs diffuse sweep in runs.
func sweepCommand(t *testing.T, runs string, args ...string) (out, errOut string, err error) {
	t.Helper()
	stdio, _, o, e := Test()
	root := Root(stdio)
	root.SetArgs(append([]string{"sweep", "--runs", runs}, args...))
	err = root.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

func mustSweep(t *testing.T, runs string, args ...string) (out, errOut string) {
	t.Helper()
	out, errOut, err := sweepCommand(t, runs, args...)
	if err != nil {
		t.Fatalf("sweep %v: %v\n%s", args, err, errOut)
	}
	return out, errOut
}

func recordOf(t *testing.T, runs, name string) *run.Record {
	t.Helper()
	r, err := run.ReadRecord(run.Folder{Dir: filepath.Join(runs, name), Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A picture has a mark for each finished run and each setting's mean; of scores
// that do not mean the same it has none.
func TestSettingsChart(t *testing.T) {
	row := func(fid float64, samples int) *SweepRow {
		return &SweepRow{Status: run.Finished, Score: &run.ScoreLine{Score: eval.Score{Samples: samples, FID: &fid}}}
	}
	groups := [][]*SweepRow{{row(1, 8), row(4, 8)}, {}, {row(7, 8)}}
	fid := func(r *SweepRow) *float64 { return r.fid() }
	got := settingsChart("FID", groups, fid).Lines
	want := []plot.Line{
		{Label: "a run", Marks: true, X: []float64{0, 0, 2}, Y: []float64{1, 4, 7}},
		{Label: "mean", Marks: true, X: []float64{0, 2}, Y: []float64{2.5, 7}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	groups[2][0] = row(7, 9)
	if got := settingsChart("FID", groups, fid); got.Drawable() {
		t.Error("scores of 8 and of 9 images in one picture")
	}
}

// cancelIn is a writer that cancels when a text passes that comes after another.
type cancelIn struct {
	after string
	cancelAt
}

func (c *cancelIn) Write(p []byte) (int, error) {
	if c.after == "" {
		return c.cancelAt.Write(p)
	}
	if strings.Contains(string(p), c.after) {
		c.after = ""
	}
	return c.Buffer.Write(p)
}

func TestInterruptedSweepGoesOn(t *testing.T) {
	straight, runs := t.TempDir(), t.TempDir()
	file := sweepFile(t, "grid: {train.seed: [1, 2, 3]}\n")
	mustSweep(t, straight, file, "--quiet")

	ctx, cancel := context.WithCancel(t.Context())
	stdio, _, out, _ := Test()
	stdio.Err = &cancelIn{after: "run 2/3 my-seed2", cancelAt: cancelAt{text: "step 1/6", cancel: cancel}}
	root := Root(stdio)
	root.SetArgs([]string{"sweep", "--runs", runs, file})
	err := root.ExecuteContext(ctx)
	if fault.Code(err) != 130 || !strings.Contains(err.Error(), "interrupted in run 2 of 3, my-seed2") || !strings.Contains(fault.Hint(err), "diffuse sweep "+file) || out.Len() > 0 {
		t.Fatalf("code %d, hint %q: %v\n%s", fault.Code(err), fault.Hint(err), err, out)
	}
	if two := recordOf(t, runs, "my-seed2"); two.Status != run.Interrupted || two.LastStep() == 6 {
		t.Fatalf("my-seed2 is %s at step %d", two.Status, two.LastStep())
	}
	table, errOut := mustSweep(t, runs, file)
	for _, want := range []string{"run 1/3 my-seed1: finished before\n", "run 2/3 my-seed2: goes on at step ", "run 3/3 my-seed3\n"} {
		if !strings.Contains(errOut, want) {
			t.Errorf("stderr has no %q:\n%s", want, errOut)
		}
	}
	if n := strings.Count(table, "finished"); n != 4 { // three runs, and the title of the means
		t.Errorf("%d times finished in\n%s", n, table)
	}
	for i, name := range []string{"my-seed1", "my-seed2", "my-seed3"} {
		a, b := filepath.Join(straight, name, "last.state.safetensors"), filepath.Join(runs, name, "last.state.safetensors")
		if !bytes.Equal(readAll(t, a), readAll(t, b)) {
			t.Errorf("%s has other bits than in a sweep that was never stopped", name)
		}
		if r := recordOf(t, runs, name); len(r.Starts) != []int{1, 2, 1}[i] || r.Start().Sweep != "my" {
			t.Errorf("%s: %d attempts of sweep %q", name, len(r.Starts), r.Start().Sweep)
		}
	}
}

// What a kill leaves before the first checkpoint is begun anew; what is no run
// of the sweep is left alone.
func TestSweepTakesUpWhatAKillLeft(t *testing.T) {
	runs := t.TempDir()
	file := sweepFile(t, "grid: {train.seed: [1, 2, 3]}\n")
	mustSweep(t, runs, file, "--quiet")
	want := readAll(t, filepath.Join(runs, "my-seed1", "last.safetensors"))

	one, two, three := filepath.Join(runs, "my-seed1"), filepath.Join(runs, "my-seed2"), filepath.Join(runs, "my-seed3")
	for _, name := range []string{"last.safetensors", "last.ema.safetensors", "last.state.safetensors"} {
		if err := os.Remove(filepath.Join(one, name)); err != nil {
			t.Fatal(err)
		}
	}
	start, _, _ := bytes.Cut(readAll(t, filepath.Join(one, "log.jsonl")), []byte("\n"))
	if err := os.WriteFile(filepath.Join(one, "log.jsonl"), append(start, '\n'), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{two, three} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(two, ".lock"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	thoughts := filepath.Join(three, "thoughts.txt")
	if err := os.WriteFile(thoughts, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sweepCommand(t, runs, file); fault.Code(err) != 2 || !strings.Contains(err.Error(), "is there and is no run") {
		t.Fatalf("code %d: %v", fault.Code(err), err)
	}
	if err := os.Remove(thoughts); err != nil {
		t.Fatal(err)
	}
	_, errOut := mustSweep(t, runs, file)
	if n := strings.Count(errOut, "begins anew"); n != 3 {
		t.Errorf("%d runs begin anew:\n%s", n, errOut)
	}
	if !bytes.Equal(want, readAll(t, filepath.Join(one, "last.safetensors"))) {
		t.Error("the run that began anew has other bits")
	}
	if r := recordOf(t, runs, "my-seed1"); r.Status != run.Finished || len(r.Steps) != 6 || len(r.Starts) != 2 {
		t.Errorf("%s with %d steps after %d attempts", r.Status, len(r.Steps), len(r.Starts))
	}
}

func TestARunThatFailsDoesNotEndASweep(t *testing.T) {
	runs := t.TempDir()
	file := sweepFile(t, "grid: {train.lr: [1.0e+30, 1.0e-3]}\n")
	_, _, err := sweepCommand(t, runs, file, "--stop-on-failure", "--quiet")
	if fault.Code(err) != 5 || !strings.Contains(err.Error(), "run my-lr1e30: ") || len(run.Names(runs)) != 1 {
		t.Fatalf("code %d with runs %v: %v", fault.Code(err), run.Names(runs), err)
	}
	for range 2 { // what diverged is not trained again
		out, _, err := sweepCommand(t, runs, file, "--json")
		if fault.Code(err) != 5 || !strings.Contains(fault.Hint(err), "runs rm my-lr1e30") {
			t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
		}
		var table struct{ Runs []SweepRow }
		if err := json.Unmarshal([]byte(out), &table); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		if len(table.Runs) != 2 || table.Runs[0].Status != run.Diverged || table.Runs[0].Error == "" || table.Runs[1].Status != run.Finished {
			t.Errorf("%+v", table.Runs)
		}
		if r := recordOf(t, runs, "my-lr1e30"); len(r.Starts) != 1 {
			t.Errorf("%d attempts", len(r.Starts))
		}
	}
}

// A run that another process trains is left to it.
func TestSweepLeavesWhatRuns(t *testing.T) {
	runs := t.TempDir()
	file := sweepFile(t, "grid: {train.seed: [1, 2]}\n")
	folder, lock, err := run.Create(runs, "my-seed1", "", []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if _, _, err := sweepCommand(t, runs, file); fault.Code(err) != 2 || !strings.Contains(err.Error(), "has another config than") {
		t.Errorf("code %d: %v", fault.Code(err), err)
	}
	other := t.TempDir()
	mustSweep(t, other, file, "--quiet")
	if err := folder.WriteConfig(readAll(t, filepath.Join(other, "my-seed1", "config.yaml"))); err != nil {
		t.Fatal(err)
	}
	out, errOut := mustSweep(t, runs, file)
	if !strings.Contains(errOut, "my-seed1: another process trains it") || !strings.Contains(out, "running") || !strings.Contains(out, "finished") {
		t.Errorf("says\n%s%s", errOut, out)
	}
}
