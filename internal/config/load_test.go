package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"diffuse/internal/fault"
)

// load resolves a file of the given text, called my.yaml, in a folder of its own.
func load(t *testing.T, text string, o LoadOptions) (*Resolved, error) {
	t.Helper()
	o.File, o.Dir = "my.yaml", t.TempDir()
	if err := os.WriteFile(filepath.Join(o.Dir, o.File), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(o)
}

func TestEveryShippedConfigResolves(t *testing.T) {
	names := Embedded()
	want := []string{"cifar10-classifier.yaml", "cifar10.yaml", "fashion-best.yaml", "fashion-classifier.yaml", "fashion-cosine.yaml", "fashion-v2.yaml", "fashion.yaml", "quick.yaml"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatalf("embedded configs (-want +got):\n%s", diff)
	}
	for _, name := range names {
		r, err := Load(LoadOptions{File: name, Dir: t.TempDir()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Name+".yaml" != name {
			t.Errorf("%s is called %q", name, r.Name)
		}
	}
}

// TestLessonFigures holds the shipped configs to the lesson's notebooks.
func TestLessonFigures(t *testing.T) {
	shipped := func(name string) *Resolved {
		r, err := Load(LoadOptions{File: name, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	centred, wide := [2]float64{-0.5, 0.5}, []int{32, 64, 128, 256}
	for _, c := range []struct {
		name     string
		set      string
		in       [2]float64
		kind     string
		betamax  float64 // 0: the schedule has none
		channels []int
		groups   int
		opt      string
		lr       float64
		decay    float64 // PyTorch's default: 0 for Adam, 0.01 for AdamW
		epochs   int
		batch    int
	}{
		{"fashion-v2.yaml", "fashion-mnist", [2]float64{0, 1}, "linear", 0.02, []int{16, 32, 64, 128}, 8, "adam", 1e-2, 0, 8, 512},
		{"fashion.yaml", "fashion-mnist", centred, "linear", 0.01, wide, 8, "adamw", 1e-2, 0.01, 25, 512},
		{"fashion-cosine.yaml", "fashion-mnist", centred, "cosine", 0, wide, 8, "adam", 4e-3, 0, 25, 512},
		{"cifar10.yaml", "cifar-10", centred, "linear", 0.01, []int{224, 448, 672, 896}, 32, "adamw", 1e-3, 0.01, 10, 32},
	} {
		r := shipped(c.name)
		got := []any{
			r.Data.Set, r.Data.Range, r.Schedule.Kind, r.Model.Channels, r.Model.Groups,
			r.Train.Optimizer, r.Train.LR, r.Train.WeightDecay, r.Train.Epochs, r.Train.Batch,
			// common to all of them
			r.Data.Size, r.Schedule.Steps, r.Schedule.Continuous, r.Model.Attention, r.Model.HeadDim, r.Model.Layers,
			r.Model.Init, r.Train.Eps, r.Train.Betas, r.Train.LRSchedule, r.Train.Clip,
		}
		want := []any{
			c.set, c.in, c.kind, c.channels, c.groups, c.opt, c.lr, c.decay, c.epochs, c.batch,
			32, 1000, c.name == "fashion-cosine.yaml", []bool{false, true, true, true}, 8, 2,
			"ddpm", 1e-5, [2]float64{0.9, 0.999}, "onecycle", 0.0,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if c.betamax != 0 && (r.Schedule.BetaMin != 1e-4 || r.Schedule.BetaMax != c.betamax) {
			t.Errorf("%s: betas from %v to %v", c.name, r.Schedule.BetaMin, r.Schedule.BetaMax)
		}
	}
}

func TestFlagWinsOverSetOverVariableOverFileOverDefault(t *testing.T) {
	const file = "train:\n  lr: 1e-2\n"
	env := []string{"HOME=/", "DIFFUSE_TRAIN_LR=2e-2"}
	set := []string{"train.lr=9", "train.lr=3e-2"} // the last one counts
	flags := []Override{{"train.lr", "4e-2", "--lr"}}
	for _, c := range []struct {
		text string
		o    LoadOptions
		want float64
		from Source
	}{
		{"version: 1\n", LoadOptions{}, 1e-3, "default"},
		{file, LoadOptions{}, 1e-2, "my.yaml:2:7"},
		{file, LoadOptions{Env: env}, 2e-2, "DIFFUSE_TRAIN_LR"},
		{file, LoadOptions{Env: env, Set: set}, 3e-2, "--set"},
		{file, LoadOptions{Env: env, Set: set, Flags: flags}, 4e-2, "--lr"},
	} {
		r, err := load(t, c.text, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Train.LR != c.want || r.Source["train.lr"] != c.from {
			t.Errorf("train.lr is %v from %s, want %v from %s", r.Train.LR, r.Source["train.lr"], c.want, c.from)
		}
	}
}

func TestAnEmptyVariableIsUnset(t *testing.T) {
	r, err := load(t, "train: {lr: 1e-2}\n", LoadOptions{Env: []string{"DIFFUSE_TRAIN_LR=", "DIFFUSE_DATA="}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Train.LR != 1e-2 {
		t.Errorf("train.lr is %v", r.Train.LR)
	}
}

// TestSetReachesEveryKey sets each key to what it is already, by --set and by
// its variable, and expects the same config from there.
func TestSetReachesEveryKey(t *testing.T) {
	plain, err := load(t, "name: x\nsample:\n  clip: [-1, 1]\n", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var set, env []string
	for _, k := range Keys() {
		text := Literal(k.of(&plain.Config))
		set = append(set, k.Path+"="+text)
		env = append(env, k.Env()+"="+text)
	}
	for from, o := range map[string]LoadOptions{"--set": {Set: set}, "DIFFUSE_": {Env: env}} {
		o.Dir = t.TempDir()
		r, err := Load(o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain.Config, r.Config); diff != "" {
			t.Errorf("%s (-want +got):\n%s", from, diff)
		}
		for path, src := range r.Source {
			if !strings.HasPrefix(string(src), from) {
				t.Errorf("%s comes from %s, want %s", path, src, from)
			}
		}
	}
}

func TestNumbersAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]float64{
		"1e-2": 1e-2, "1E-2": 1e-2, "1.0e-2": 1e-2, "0.01": 1e-2, ".01": 1e-2, "+.01": 1e-2, "3": 3, "3.": 3, "2e+1": 20,
	} {
		r, err := load(t, "train: {lr: "+text+"}\n", LoadOptions{})
		if err != nil {
			t.Error(err)
			continue
		}
		if r.Train.LR != want {
			t.Errorf("lr: %s is %v, want %v", text, r.Train.LR, want)
		}
	}
	for text, want := range map[string]int{"7": 7, "+7": 7, "1e3": 1000, "5.0": 5, "010": 10} {
		r, err := load(t, "train: {epochs: "+text+"}\n", LoadOptions{})
		if err != nil {
			t.Error(err)
			continue
		}
		if r.Train.Epochs != want {
			t.Errorf("epochs: %s is %v, want %v", text, r.Train.Epochs, want)
		}
	}
}

func TestLists(t *testing.T) {
	two := "model: {attention: [false, true]}\n"
	for _, text := range []string{"16,32", "[16, 32]", " 16 , 32 ", "[16,32]"} {
		r, err := load(t, two, LoadOptions{Set: []string{"model.channels=" + text}})
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff([]int{16, 32}, r.Model.Channels); diff != "" {
			t.Errorf("--set model.channels=%s: %s", text, diff)
		}
	}
	r, err := load(t, "model:\n  channels:\n  - 16\n  - 32\n  attention: [false, true]\nsample: {clip: [-1, 1]}\n",
		LoadOptions{Set: []string{"sample.clip="}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Sample.Clip) != 0 || len(r.Model.Channels) != 2 {
		t.Errorf("clip %v, channels %v", r.Sample.Clip, r.Model.Channels)
	}
}

// TestYAMLIsReadBack also shows that equal configs render to equal bytes.
func TestYAMLIsReadBack(t *testing.T) {
	for _, name := range Embedded() {
		r, err := Load(LoadOptions{File: name, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{r.YAML(), r.Annotated()} {
			again, err := load(t, string(text), LoadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r.Config, again.Config); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			if diff := cmp.Diff(string(r.YAML()), string(again.YAML())); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestNameIsTheFilesUnlessItSays(t *testing.T) {
	r, err := load(t, "version: 1\n", LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "my" {
		t.Errorf("name is %q", r.Name)
	}
	for file, want := range map[string]string{
		"embedded quick.yaml": "quick", "configs/a.yaml": "a", "my größe 2.yaml": "my-gr-e-2", "-.yaml": "",
		strings.Repeat("x", 100) + ".yaml": strings.Repeat("x", 64),
	} {
		if got := nameOf(file); got != want {
			t.Errorf("%s is called %q, want %q", file, got, want)
		}
	}
	for _, name := range []string{"true", "1e3", "no", "a.b_c-1"} { // those YAML could mistake
		r, err := load(t, "version: 1\n", LoadOptions{Set: []string{"name=" + name}})
		if err != nil {
			t.Fatal(err)
		}
		again, err := load(t, string(r.YAML()), LoadOptions{})
		if err != nil || again.Name != name {
			t.Errorf("name %q is read back as %q: %v", name, again.Name, err)
		}
	}
}

// TestBareName: the working folder first, then configs below it, then the binary.
func TestBareName(t *testing.T) {
	dir := t.TempDir()
	found := func(name string) string {
		r, err := Load(LoadOptions{File: name, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return r.File
	}
	write := func(path string) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte("version: 1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "fashion"), 0o755); err != nil { // a folder is no config
		t.Fatal(err)
	}
	for _, want := range []string{"embedded fashion.yaml", filepath.Join("configs", "fashion.yaml"), "fashion.yaml"} {
		if !strings.HasPrefix(want, "embedded") {
			write(want)
		}
		for _, name := range []string{"fashion", "fashion.yaml"} {
			if got := found(name); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	}
	if got := found("./fashion.yaml"); got != "./fashion.yaml" {
		t.Errorf("a path is %s", got)
	}
	if _, err := Load(LoadOptions{File: "./quick.yaml", Dir: dir}); fault.Code(err) != 2 {
		t.Errorf("a path found the embedded file: %v", err)
	}
}

// TestSchema: what the loader takes for granted about the schema.
func TestSchema(t *testing.T) {
	seen := map[string]string{}
	for _, k := range Keys() {
		if k.Path != strings.ToLower(k.Path) {
			t.Errorf("%s: viper lower-cases keys", k.Path)
		}
		if k.Doc == "" {
			t.Errorf("%s has no doc", k.Path)
		}
		if other, ok := seen[k.Env()]; ok {
			t.Errorf("%s and %s share %s", k.Path, other, k.Env())
		}
		seen[k.Env()] = k.Path
	}
	for _, name := range OtherEnv {
		if key, ok := seen[name]; ok {
			t.Errorf("%s is also the variable of %s", name, key)
		}
	}
}
