package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/run"
)

// rerunCommand runs diffuse rerun in runs; its answer is the JSON on stdout.
func rerunCommand(t *testing.T, runs string, args ...string) (r RerunResult, errOut string, err error) {
	t.Helper()
	stdio, _, o, e := Test()
	stdio.Env = []string{"DIFFUSE_TRAIN_LR=0.5"} // which is not the run's
	root := Root(stdio)
	root.SetArgs(append([]string{"rerun", "--json", "--runs", runs}, args...))
	if err = root.ExecuteContext(t.Context()); o.Len() > 0 {
		if err := json.Unmarshal(o.Bytes(), &r); err != nil {
			t.Fatalf("%v:\n%s", err, o)
		}
	}
	return r, e.String(), err
}

func TestRerunIsTheSameBitForBit(t *testing.T) {
	runs := t.TempDir()
	mustTrain(t, runs, withTiny("--name", "first")...)
	for _, name := range []string{"first-again", "first-again-2"} {
		r, errOut, err := rerunCommand(t, runs, "first", "--workers", "1")
		if err != nil {
			t.Fatal(err, errOut)
		}
		if r.Run != name || r.RerunOf != "first" || r.Same == nil || !*r.Same || *r.Difference != 0 || r.EqualSteps != 6 || len(r.Differs) != 0 {
			t.Errorf("%+v", r)
		}
		if !strings.Contains(errOut, "nothing differs from the record of first\n") {
			t.Errorf("stderr says\n%s", errOut)
		}
		for _, file := range []string{"last.safetensors", "last.state.safetensors", "config.yaml"} {
			if !bytes.Equal(readAll(t, filepath.Join(runs, "first", file)), readAll(t, filepath.Join(runs, name, file))) {
				t.Errorf("%s: other bytes in %s", name, file)
			}
		}
		if s := recordOf(t, runs, name).Start(); s.RerunOf != "first" {
			t.Errorf("%s is a rerun of %q", name, s.RerunOf)
		}
	}
}

// rewriteStart changes the start line of a run's log.
func rewriteStart(t *testing.T, runs, name string, change func(*run.StartLine)) {
	t.Helper()
	path := filepath.Join(runs, name, "log.jsonl")
	first, rest, _ := bytes.Cut(readAll(t, path), []byte("\n"))
	var s run.StartLine
	if err := json.Unmarshal(first, &s); err != nil {
		t.Fatal(err)
	}
	change(&s)
	first, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Join([][]byte{first, rest}, []byte("\n")), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestRerunSaysWhatDiffers(t *testing.T) {
	runs := t.TempDir()
	mustTrain(t, runs, withTiny("--name", "a", "--steps", "2")...)
	changes := strings.Repeat("0", 64)
	rewriteStart(t, runs, "a", func(s *run.StartLine) {
		s.Machine.Commit, s.Machine.Kernels, s.Machine.CPU = "0123456789ab", "neon", "another"
		s.Machine.Modules = map[string]string{"example.com/gone": "v1.2.3"}
		s.Machine.Features = nil
		s.Source = &run.Source{Commit: changes[:40], Dirty: true, Patch: "code.patch"}
		s.Data.Train = changes
	})
	if err := os.WriteFile(filepath.Join(runs, "a", "code.patch"), []byte("a change\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	r, _, err := rerunCommand(t, runs, "a", "--dry-run")
	if err != nil || r.Run != "" || len(run.Names(runs)) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	was := map[string]string{}
	for _, c := range r.Differs {
		was[c.What] = c.A
	}
	for what, a := range map[string]string{
		"program commit": "0123456789ab", "kernels": "neon", "cpu": "another", "module example.com/gone": "v1.2.3",
		"source commit": changes[:40], "source changes": hashOf([]byte("a change\n")), "training images": changes,
	} {
		if was[what] != a {
			t.Errorf("%s was %q, want %q", what, was[what], a)
		}
	}
	if _, ok := was["validation images"]; ok {
		t.Error("the validation images are the same")
	}

	_, errOut, err := rerunCommand(t, runs, "a")
	if fault.Code(err) != int(fault.Data) || !strings.Contains(err.Error(), "are not the images that run a saw") || !strings.Contains(fault.Hint(err), "--force") {
		t.Errorf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
	}
	if !strings.Contains(errOut, "differs: training images: 000000000000 then, ") || len(run.Names(runs)) != 1 {
		t.Errorf("with runs %v, stderr says\n%s", run.Names(runs), errOut)
	}
	r, _, err = rerunCommand(t, runs, "a", "--force", "--name", "b")
	if err != nil || r.Run != "b" || !*r.Same {
		t.Errorf("%+v, %v", r, err)
	}
}

// Other weights though nothing differs are an error; a run that ended earlier is
// compared as far as it went.
func TestRerunTellsOtherWeights(t *testing.T) {
	runs := t.TempDir()
	mustTrain(t, runs, withTiny("--name", "a", "--seed", "1")...)
	folder := run.Folder{Dir: filepath.Join(runs, "a"), Name: "a"}
	conf, err := config.Load(config.LoadOptions{File: folder.ConfigPath(), Set: []string{"train.seed=2"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := folder.WriteConfig(conf.YAML()); err != nil { // it is not what the weights were made under
		t.Fatal(err)
	}
	r, _, err := rerunCommand(t, runs, "a")
	if fault.Code(err) != 1 || !strings.Contains(err.Error(), "though nothing differs") || *r.Same || *r.Difference == 0 || r.EqualSteps != 0 {
		t.Errorf("%+v, %v", r, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	stdio, _, _, _ := Test()
	stdio.Err = &cancelAt{text: "epoch 1/2  step 3", cancel: cancel}
	root := Root(stdio)
	root.SetArgs(append([]string{"train", "--runs", runs, "--name", "half"}, tinyNet...))
	if err := root.ExecuteContext(ctx); fault.Code(err) != 130 {
		t.Fatal(err)
	}
	r, _, err = rerunCommand(t, runs, "half")
	if err != nil || r.Same != nil || r.EqualSteps != recordOf(t, runs, "half").LastStep() || !strings.Contains(r.Verdict, "are the same bits") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRerunWithOtherKernels(t *testing.T) {
	if kernel.Best().Name() == "portable" {
		t.Skip("there are no other kernels on this machine")
	}
	runs := t.TempDir()
	mustTrain(t, runs, withTiny("--name", "a", "--steps", "3")...)
	r, errOut, err := rerunCommand(t, runs, "a", "--kernels", "portable")
	if err != nil || len(r.Differs) != 1 || r.Differs[0].What != "kernels" || !strings.Contains(errOut, "differs: kernels: ") {
		t.Fatalf("%+v, %v\n%s", r, err, errOut)
	}
	if *r.Same || *r.Difference > 1e-2 || !strings.HasPrefix(r.Verdict, "other weights than a: they differ by ") {
		t.Errorf("%+v", r)
	}
}

func TestRerunNames(t *testing.T) {
	runs := t.TempDir()
	long := strings.Repeat("n", 64)
	for _, c := range []struct{ of, want string }{{"a", "a-again"}, {"a", "a-again-2"}, {long, long[:58] + "-again"}, {long, long[:56] + "-again-2"}} {
		name := againName(runs, c.of)
		if name != c.want || !config.IsName(name) {
			t.Errorf("again %s is %s", c.of, name)
		}
		if err := os.Mkdir(filepath.Join(runs, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := rerunCommand(t, runs, "gone"); fault.Code(err) != int(fault.Checkpoint) {
		t.Error(err)
	}
}
