package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// tinyNet trains a net of two levels on 20 embedded images: 3 steps an epoch,
// the last of 4 images.
var tinyNet = []string{
	"--config", "quick.yaml", "--epochs", "2", "--batch", "8",
	"--set", "model.channels=[8, 8]", "--set", "model.attention=[false, true]", "--set", "model.layers=1",
	"--set", "model.groups=4", "--set", "model.head_dim=4", "--set", "data.size=28",
	"--set", "data.train=20", "--set", "data.valid=6", "--set", "train.micro_batch=3",
	"--set", "sample.steps=2", "--set", "train.grid_images=3", "--set", "train.grid_every=1", "--lr", "0.004",
}

// trainCommand runs diffuse train in runs.
func trainCommand(ctx context.Context, runs string, args ...string) (out, errOut string, err error) {
	stdio, _, o, e := Test()
	root := Root(stdio)
	root.SetArgs(append([]string{"train", "--runs", runs}, args...))
	err = root.ExecuteContext(ctx)
	return o.String(), e.String(), err
}

func mustTrain(t *testing.T, runs string, args ...string) (out, errOut string) {
	t.Helper()
	out, errOut, err := trainCommand(t.Context(), runs, args...)
	if err != nil {
		t.Fatalf("train %v: %v\n%s", args, err, errOut)
	}
	return out, errOut
}

func withTiny(args ...string) []string { return append(append([]string{}, tinyNet...), args...) }

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTrainLeavesARun(t *testing.T) {
	runs := t.TempDir()
	out, errOut := mustTrain(t, runs, withTiny("--name", "tiny", "--json")...)
	var r TrainResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("stdout is not the result: %v\n%s", err, out)
	}
	if r.Run != "tiny" || r.Steps != 6 || r.Epochs != 2 || r.ValidEMA == nil || r.BestLoss == nil || !strings.HasPrefix(r.Next, "diffuse sample tiny") {
		t.Errorf("result %+v", r)
	}
	for _, name := range []string{
		"config.yaml", "log.jsonl", "curves.png", "samples/epoch-0001.png", "samples/epoch-0002.png",
		"last.safetensors", "last.ema.safetensors", "last.state.safetensors",
		"best.safetensors", "best.ema.safetensors", "best.state.safetensors",
	} {
		if info, err := os.Stat(filepath.Join(r.Dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Three images in two columns and rows of 28 pixels with gaps of 2, twice.
	picture, err := png.DecodeConfig(bytes.NewReader(readAll(t, r.Grid)))
	if err != nil || picture.Width != 2*62 || picture.Height != 62 {
		t.Errorf("grid is %d×%d: %v", picture.Width, picture.Height, err)
	}
	for _, want := range []string{"step 1/6  epoch 1/2  loss ", "images/s", " left\n", "epoch 2/2  step 6  train loss "} {
		if !strings.Contains(errOut, want) {
			t.Errorf("stderr has no %q:\n%s", want, errOut)
		}
	}
	h, err := run.ReadRecord(run.Folder{Dir: r.Dir})
	if err != nil || len(h.Steps) != 6 || len(h.Epochs) != 2 || h.Epochs[1].Step != 6 {
		t.Errorf("history %+v, %v", h, err)
	}
}

func TestTrainIsAFunctionOfConfigAndSeed(t *testing.T) {
	runs := t.TempDir()
	mustTrain(t, runs, withTiny("--name", "a", "--workers", "1")...)
	mustTrain(t, runs, withTiny("--name", "b", "--workers", "3")...)
	mustTrain(t, runs, withTiny("--name", "c", "--seed", "7")...)
	for _, name := range []string{"last.safetensors", "last.state.safetensors", "best.ema.safetensors", "samples/epoch-0002.png"} {
		a, b, c := readAll(t, filepath.Join(runs, "a", name)), readAll(t, filepath.Join(runs, "b", name)), readAll(t, filepath.Join(runs, "c", name))
		if !bytes.Equal(a, b) {
			t.Errorf("%s depends on the number of workers", name)
		}
		if bytes.Equal(a, c) {
			t.Errorf("%s does not depend on the seed", name)
		}
	}
}

// cancelAt is a writer that cancels when a text passes.
type cancelAt struct {
	text   string
	cancel func()
	bytes.Buffer
}

func (c *cancelAt) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.text) {
		c.cancel()
	}
	return c.Buffer.Write(p)
}

func TestInterruptedTrainResumesBitForBit(t *testing.T) {
	runs := t.TempDir()
	mustTrain(t, runs, withTiny("--name", "straight")...)

	for _, at := range []string{"step 1/6", "epoch 1/2  step 3"} {
		name := strings.NewReplacer(" ", "-", "/", "-").Replace(at)
		ctx, cancel := context.WithCancel(t.Context())
		stdio, _, _, _ := Test()
		stdio.Err = &cancelAt{text: at, cancel: cancel}
		root := Root(stdio)
		root.SetArgs(append([]string{"train", "--runs", runs, "--name", name}, tinyNet...))
		err := root.ExecuteContext(ctx)
		if want := "diffuse train --resume " + name + " --runs " + runs; fault.Code(err) != 130 || fault.Hint(err) != want {
			t.Fatalf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
		}
		mustTrain(t, runs, "--resume", name)
		for _, file := range []string{"last.safetensors", "last.ema.safetensors", "last.state.safetensors", "best.safetensors", "samples/epoch-0001.png", "samples/epoch-0002.png"} {
			if !bytes.Equal(readAll(t, filepath.Join(runs, name, file)), readAll(t, filepath.Join(runs, "straight", file))) {
				t.Errorf("interrupted at %q: %s has other bytes than a run never stopped", at, file)
			}
		}
	}
}

func TestResumeTakesNoOtherArithmetic(t *testing.T) {
	runs := t.TempDir()
	mustTrain(t, runs, withTiny("--name", "a", "--steps", "1")...)
	config := string(readAll(t, filepath.Join(runs, "a", "config.yaml")))
	for _, c := range []struct{ arg, says string }{
		{"--set=train.lr=0.5", "train.lr is 0.004 in run a and cannot become 0.5"},
		{"--batch=4", "train.batch"},
		{"--set=data.range=[0, 1]", "data.range"},
		{"--steps=9", "onecycle schedule depend on the run's length"},
	} {
		_, _, err := trainCommand(t.Context(), runs, "--resume", "a", c.arg)
		if fault.Code(err) != 2 || !strings.Contains(err.Error(), c.says) || fault.Hint(err) == "" {
			t.Errorf("%s: code %d, hint %q: %v", c.arg, fault.Code(err), fault.Hint(err), err)
		}
	}
	if got := string(readAll(t, filepath.Join(runs, "a", "config.yaml"))); got != config {
		t.Errorf("a refused resumption changed config.yaml to\n%s", got)
	}
	mustTrain(t, runs, "--resume", filepath.Join(runs, "a"), "--set", "train.grid_every=3")
}

func TestConstantRateRunIsMadeLonger(t *testing.T) {
	runs := t.TempDir()
	constant := []string{"--set", "train.lr_schedule=constant"}
	mustTrain(t, runs, withTiny(append(constant, "--name", "long")...)...)
	mustTrain(t, runs, withTiny(append(constant, "--name", "short", "--epochs", "1")...)...)
	mustTrain(t, runs, "--resume", "short", "--epochs", "2")
	if !bytes.Equal(readAll(t, filepath.Join(runs, "short", "last.safetensors")), readAll(t, filepath.Join(runs, "long", "last.safetensors"))) {
		t.Error("a run made longer ends in other weights than one that was as long from the start")
	}
	if c := string(readAll(t, filepath.Join(runs, "short", "config.yaml"))); !strings.Contains(c, "epochs: 2") {
		t.Errorf("config.yaml was not brought up to date:\n%s", c)
	}
}

func TestTrainRefusals(t *testing.T) {
	runs := t.TempDir()
	mustTrain(t, runs, withTiny("--name", "taken", "--steps", "1", "--set", "train.grid_every=0")...)
	file := filepath.Join(runs, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	lock, err := run.Folder{Dir: filepath.Join(runs, "taken"), Name: "taken"}.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	for _, c := range []struct {
		code int
		says string
		runs string
		args []string
	}{
		{2, "there is a run", runs, withTiny("--name", "taken")},
		{2, "--name: must be at most 64 letters, digits", runs, withTiny("--name", "../up")},
		{1, "not a directory", filepath.Join(file, "runs"), withTiny()},
		{4, "there is no run gone", runs, []string{"--resume", "gone"}},
		{1, "another process", runs, []string{"--resume", "taken"}},
		{3, "cifar-10", runs, []string{"--config", "cifar10.yaml", "--data", runs}},
	} {
		_, _, err := trainCommand(t.Context(), c.runs, c.args...)
		if fault.Code(err) != c.code || !strings.Contains(err.Error(), c.says) || fault.Hint(err) == "" {
			t.Errorf("%v: code %d, want %d, hint %q: %v", c.args, fault.Code(err), c.code, fault.Hint(err), err)
		}
	}
	entries, _ := os.ReadDir(runs)
	if len(entries) != 2 {
		t.Errorf("refused runs left something: %v", entries)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home)
	out, _ := mustTrain(t, filepath.Join(home, "runs"), withTiny("--dry-run", "--json")...)
	var r DryRunResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.StepsPerEpoch != 3 || r.Steps != 6 || r.Parameters < 1000 || r.EpochSeconds <= 0 || r.CheckpointBytes != int64(16*r.Parameters) {
		t.Errorf("result %+v", r)
	}
	out, _ = mustTrain(t, filepath.Join(home, "runs"), withTiny("--dry-run")...)
	if !strings.Contains(out, "nothing was written") {
		t.Errorf("says\n%s", out)
	}
	err := filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
		if path != home {
			t.Errorf("left %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestGeneratedNamesBeginWithTheConfigs(t *testing.T) {
	runs := t.TempDir()
	for range 2 {
		mustTrain(t, runs, withTiny("--steps", "1", "--set", "train.grid_every=0")...)
	}
	names := run.Names(runs)
	if len(names) != 2 || !strings.HasPrefix(names[0], "quick-") || !strings.HasPrefix(names[1], "quick-") {
		t.Errorf("runs are %v", names)
	}
}

// The bar must not fail on what is no terminal, and shows what lines show.
func TestBarOnATerminal(t *testing.T) {
	stdio, _, _, errOut := Test()
	stdio.ErrIsTerminal = true
	root := Root(stdio)
	root.SetArgs(append([]string{"train", "--runs", t.TempDir()}, tinyNet...))
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"loss ", "images/s", "epoch 2/2  step 6  train loss"} {
		if !strings.Contains(errOut.String(), want) {
			t.Errorf("no %q in\n%s", want, errOut)
		}
	}
}
