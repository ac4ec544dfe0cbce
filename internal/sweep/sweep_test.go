package sweep

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"diffuse/internal/config"
	"diffuse/internal/fault"
)

// plan makes the runs of a sweep's file called my.yaml.
func plan(t *testing.T, text string) (*Plan, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("my.yaml", []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := config.LoadSweep("my.yaml")
	if err != nil {
		return nil, err
	}
	return New(s, s.Name, loader(s))
}

func loader(s *config.Sweep) Loader {
	return func(set ...config.Override) (*config.Resolved, error) {
		return config.Load(config.LoadOptions{File: s.Config, Flags: set})
	}
}

func names(p *Plan) []string {
	var all []string
	for _, r := range p.Runs {
		all = append(all, r.Name)
	}
	return all
}

func TestListThenGrid(t *testing.T) {
	p, err := plan(t, `config: quick.yaml
set: {train.steps: 200, train.lr: 1e-3}
grid:
  schedule.betamax: [0.02, 1.2e-2]
  data.range: [[0, 1], [-0.5, 0.5]]
runs:
- {}
- {schedule.kind: cosine, train.lr: 2e-3}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"my-base", "my-kindcosine-lr0.002",
		"my-betamax0.02-range0_1", "my-betamax0.02-range-0.5_0.5", "my-betamax0.012-range0_1", "my-betamax0.012-range-0.5_0.5",
	}
	if diff := cmp.Diff(want, names(p)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	list, grid := p.Runs[1].Config, p.Runs[4].Config
	if list.Schedule.Kind != "cosine" || list.Train.LR != 2e-3 || list.Train.Steps != 200 {
		t.Errorf("the run of the list has %+v, %+v", list.Schedule, list.Train)
	}
	if grid.Schedule.BetaMax != 0.012 || grid.Data.Range != [2]float64{0, 1} || grid.Train.LR != 1e-3 {
		t.Errorf("the run of the grid has %+v, %+v, lr %v", grid.Schedule, grid.Data, grid.Train.LR)
	}
	if from := grid.Source["schedule.betamax"]; from != "my.yaml:4:28" {
		t.Errorf("betamax comes from %s", from)
	}
	var varies []string
	for _, k := range p.Varies {
		varies = append(varies, k.Path)
	}
	if diff := cmp.Diff([]string{"data.range", "schedule.kind", "schedule.betamax", "train.lr"}, varies); diff != "" {
		t.Errorf("keys that vary (-want +got):\n%s", diff)
	}
	values := map[string]string{"data.range": "[0, 1]", "schedule.kind": "linear", "schedule.betamax": "0.012", "train.lr": "0.001"}
	if diff := cmp.Diff(values, p.Values(p.Runs[4])); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// Names stay readable where last words of keys are alike, within 64 letters, and
// different where what a folder cannot have is all that differs.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // prefixes, where they end in a hash
	}{
		{"grid: {train.steps: [9], sample.steps: [8]}", []string{"my-train.steps9-sample.steps8"}},
		{"grid: {train.lr: [1e-5, 1e+0]}", []string{"my-lr1e-05", "my-lr1"}},
		{"grid: {model.attention: [[false, true, false]]}", []string{"my-attentionfalse_true_false"}},
		{"grid: {schedule.betamax: [0.0123456789012345], schedule.betamin: [0.000123456789012345], train.lr: [0.00123456789012345]}",
			[]string{"my-betamax0.0123456789012345-betamin0.00012345678901234-#"}},
	} {
		p, err := plan(t, "config: quick.yaml\n"+c.text+"\n")
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		for i, got := range names(p) {
			prefix, hashed := strings.CutSuffix(c.want[i], "#")
			if len(got) > 64 || !hashed && got != c.want[i] || hashed && (!strings.HasPrefix(got, prefix) || len(got) != len(prefix)+8) {
				t.Errorf("%s: run %d is %s, want %s", c.text, i, got, c.want[i])
			}
		}
	}
	p := &Plan{Name: "my"}
	for _, value := range []string{"a b", "ab", "AB", "c"} {
		p.Runs = append(p.Runs, &Run{Keys: []config.Override{{Key: "name", Value: value}}})
	}
	p.nameRuns()
	for i, prefix := range []string{"my-nameab-", "my-nameab-", "my-nameAB-", "my-namec"} {
		if got := p.Runs[i].Name; !strings.HasPrefix(got, prefix) || slices.Index(names(p), got) != i {
			t.Errorf("run %d of %v", i, names(p))
		}
	}
}

func TestWrongSweeps(t *testing.T) {
	for text, want := range map[string]string{
		"config: quick.yaml":                                           "my.yaml: there is nothing to run",
		"grid: {train.seed: [1]}":                                      "my.yaml: the key config is missing",
		"config: 3\ngrid: {train.seed: [1]}":                           "my.yaml:1:1: config must be the name of a config, got the number 3",
		"config: quick.yaml\ngird: {train.seed: [1]}":                  "my.yaml:2:1: unknown key gird, did you mean grid?",
		"config: quick.yaml\ngrid: {train.sed: [1]}":                   "my.yaml:2:8: unknown key train.sed, did you mean train.seed?",
		"config: quick.yaml\ngrid: {train: {seed: [1]}}":               "my.yaml:2:8: train is a section, not a key",
		"config: quick.yaml\ngrid: {train.seed: 1}":                    "my.yaml:2:8: the grid's train.seed must be a list of values",
		"config: quick.yaml\ngrid: {train.seed: []}":                   "my.yaml:2:8: the grid's train.seed must be a list of values",
		"config: quick.yaml\ngrid: {train.seed: [1, 1.5]}":             "my.yaml:2:24: train.seed must be a whole number, got 1.5",
		"config: quick.yaml\ngrid: {train.seed: [1, '2']}":             "my.yaml:2:24: train.seed must be a whole number, got \"2\"",
		"config: quick.yaml\ngrid: {data.range: [0, 1]}":               "my.yaml:2:21: data.range must be a list, got the number 0",
		"config: quick.yaml\ngrid: {train.lr: [0.01, 1e-2]}":           "my.yaml:2:25: the grid's train.lr has 0.01 twice (my.yaml:2:19)",
		"config: quick.yaml\ngrid:\n  train.seed: [1,\n]\n  - a":       "my.yaml:",
		"config: quick.yaml\ngrid: {train.lr: [0.1, -1]}":              "my.yaml:2:24: train.lr must be greater than 0, got -1",
		"config: quick.yaml\nset: {train.steps: }\nruns: [{}]":         "my.yaml:2:7: train.steps must be a whole number, got nothing",
		"config: quick.yaml\nruns: {train.seed: 1}":                    "my.yaml:2:1: runs must be a list of sets of keys",
		"config: quick.yaml\nruns: [1]":                                "my.yaml:2:8: a run must be a section of keys",
		"config: quick.yaml\nruns: [{}, {train.seed: 42}]":             "my.yaml:2:12: run my-seed42 has the same config as my-base (my.yaml:2:8)",
		"config: gone.yaml\nruns: [{}]":                                "config gone.yaml: no such file",
		"config: quick.yaml\nruns: [{}]\nscore: 512":                   "my.yaml:3:8: score must be a section of keys",
		"config: quick.yaml\nruns: [{}]\nscore: {n: 512}":              "my.yaml:3:9: unknown key score.n",
		"config: quick.yaml\nruns: [{}]\nscore: {samples: 1}":          "my.yaml:3:18: score.samples must be from 2 to 1000000, got 1",
		"config: quick.yaml\nruns: [{}]\nscore: {samples: 2.5}":        "my.yaml:3:18: score.samples must be a whole number, got 2.5",
		"config: quick.yaml\ngrid: {schedule.betamin: [1e-4, 1]}":      "my.yaml:2:33: schedule.betamin must be less than 1, got 1",
		"config: quick.yaml\ngrid: {train.seed: [1], train.seed: [2]}": "my.yaml:2:25: mapping key \"train.seed\" already defined",
		"- a": "my.yaml:1:1: a sweep must be a section of keys",
		"config: quick.yaml\ngrid: {train.seed: [" + count(101) + "], data.train: [" + count(101) + "]}": "the grid has more than 10000 runs",
	} {
		_, err := plan(t, text+"\n")
		if fault.Code(err) != int(fault.Usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ncode %d: %v; want %s", text, fault.Code(err), err, want)
		}
	}
}

// count is "1, 2, ..., n".
func count(n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = strconv.Itoa(i + 1)
	}
	return strings.Join(words, ", ")
}

// A config stands beside the sweep's file, wherever one works.
func TestConfigBeside(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("sub", 0o777); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"sub/my.yaml": "config: base.yaml\nruns: [{}]\n", "sub/base.yaml": "train: {lr: 0.5}\n",
		"sub/up.yaml": "config: ../sub/base.yaml\nruns: [{}]\n", "base.yaml": "train: {lr: 0.25}\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"sub/my.yaml", "sub/up.yaml"} {
		s, err := config.LoadSweep(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(s, s.Name, loader(s))
		if err != nil || p.Runs[0].Config.Train.LR != 0.5 || p.Runs[0].Config.File != filepath.Join("sub", "base.yaml") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The sweeps in the binary vary what they say and nothing else, the studies each
// setting at three seeds; sweep-quick needs no data.
func TestShippedSweeps(t *testing.T) {
	t.Chdir(t.TempDir())
	varies := map[string]string{
		"range-study.yaml":    "data.range train.seed",
		"schedule-study.yaml": "schedule.kind schedule.betamax train.seed",
		"sweep-quick.yaml":    "schedule.betamax train.seed",
	}
	for _, file := range config.EmbeddedSweeps() {
		s, err := config.LoadSweep(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(s, s.Name, loader(s))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var keys []string
		for _, k := range p.Varies {
			keys = append(keys, k.Path)
		}
		if got := strings.Join(keys, " "); got != varies[file] {
			t.Errorf("%s varies %s", file, got)
		}
		seeds := map[string]int{} // of each setting
		for _, r := range p.Runs {
			c := r.Config
			seeds[fmt.Sprint(c.Data.Range, c.Schedule.Kind, c.Schedule.BetaMax)]++
			if file == "sweep-quick.yaml" && c.Data.Set != "fashion-extract" {
				t.Errorf("%s: %s needs %s", file, r.Name, c.Data.Set)
			}
		}
		for setting, n := range seeds {
			if strings.HasSuffix(file, "-study.yaml") && n != 3 {
				t.Errorf("%s: %s at %d seeds", file, setting, n)
			}
		}
	}
}

// drawSweep draws a sweep over a few keys.
func drawSweep(rt *rapid.T) *config.Sweep {
	of := map[string]*rapid.Generator[string]{
		"train.lr":      rapid.Custom(func(rt *rapid.T) string { return rapid.StringMatching(`0\.0[1-9]{1,14}`).Draw(rt, "lr") }),
		"train.seed":    rapid.StringMatching(`[1-9][0-9]{0,8}`),
		"sample.seed":   rapid.StringMatching(`[1-9][0-9]{0,8}`),
		"data.range":    rapid.SampledFrom([]string{"[0, 1]", "[-1, 1]", "[-0.5, 0.5]", "[0.5, 1]", "[-05, 0.5]"}),
		"schedule.kind": rapid.SampledFrom([]string{"linear", "cosine", "sigmoid"}),
	}
	s := &config.Sweep{File: "drawn.yaml", Config: "quick.yaml"}
	keys := []string{"train.lr", "train.seed", "sample.seed", "data.range", "schedule.kind"}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, 4, rapid.ID).Draw(rt, "keys") {
		axis := config.Axis{Key: key}
		for _, v := range rapid.SliceOfNDistinct(of[key], 1, 3, rapid.ID).Draw(rt, key) {
			axis.Values = append(axis.Values, config.Override{Key: key, Value: v, From: "drawn"})
		}
		s.Grid = append(s.Grid, axis)
	}
	if rapid.Bool().Draw(rt, "list") {
		s.Runs = []config.SweepRun{{}, {Keys: []config.Override{{Key: "train.batch", Value: "7"}}}}
	}
	return s
}

// Names are different, even where case is ignored, and can be folders.
func TestNamesAreUnique(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[a-z][a-z0-9.-]{0,63}`).Draw(rt, "name")
		s := drawSweep(rt)
		p, err := New(s, name, loader(s))
		if err != nil { // two runs of one config
			return
		}
		again, err := New(s, name, loader(s))
		if err != nil || !slices.Equal(names(p), names(again)) {
			rt.Fatalf("names change: %v, %v", names(p), names(again))
		}
		seen := map[string]bool{}
		for _, n := range names(p) {
			if !config.IsName(n) || seen[strings.ToLower(n)] {
				rt.Fatalf("%q of %q", n, names(p))
			}
			seen[strings.ToLower(n)] = true
		}
	})
}

// Each run is in one shard, and shards differ by one run at most.
func TestShardsPartition(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		runs := make([]*Run, rapid.IntRange(0, 40).Draw(rt, "runs"))
		for i := range runs {
			runs[i] = new(Run)
		}
		n := rapid.IntRange(1, 50).Draw(rt, "n")
		seen, least, most := map[*Run]int{}, len(runs), 0
		for i := 1; i <= n; i++ {
			shard, err := ParseShard(Shard{i, n}.String())
			if err != nil {
				rt.Fatal(err)
			}
			own := shard.Of(runs)
			least, most = min(least, len(own)), max(most, len(own))
			for _, r := range own {
				seen[r]++
			}
		}
		if len(seen) != len(runs) || most-least > 1 {
			rt.Fatalf("%d of %d runs, shards of %d to %d", len(seen), len(runs), least, most)
		}
		for _, times := range seen {
			if times != 1 {
				rt.Fatal("a run is in two shards")
			}
		}
	})
	if whole, err := ParseShard(""); err != nil || len(whole.Of(make([]*Run, 3))) != 3 {
		t.Error("no shard is not the whole sweep")
	}
	for _, wrong := range []string{"0/2", "3/2", "1", "1/", "/1", "-1/2", "1/2/3", "a/b", "1.5/2"} {
		if _, err := ParseShard(wrong); fault.Code(err) != int(fault.Usage) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// Runs that differ in seeds only are one group, whatever the order.
func TestGroups(t *testing.T) {
	p, err := plan(t, "config: quick.yaml\ngrid: {train.seed: [1, 2], train.lr: [1e-3, 2e-3], sample.seed: [3, 4]}\nruns: [{train.lr: 1e-3, train.seed: 9}]\n")
	if err != nil {
		t.Fatal(err)
	}
	groups := p.Groups()
	if len(groups) != 2 || len(groups[0]) != 5 || len(groups[1]) != 4 {
		t.Fatalf("%d groups", len(groups))
	}
	for i, lr := range []float64{1e-3, 2e-3} {
		for _, r := range groups[i] {
			if r.Config.Train.LR != lr {
				t.Errorf("%s is in the group of lr %v", r.Name, lr)
			}
		}
	}
	if p, err = plan(t, "config: quick.yaml\ngrid: {train.lr: [1e-3, 2e-3]}\n"); err != nil || p.Groups() != nil {
		t.Errorf("groups without seeds: %v", err)
	}
}

func TestSpread(t *testing.T) {
	s := SpreadOf([]float64{2, 4, 4, 4, 5, 5, 7, 9})
	if s.N != 8 || s.Mean != 5 || math.Abs(*s.SD-math.Sqrt(32./7)) > 1e-15 {
		t.Errorf("%+v, sd %v", s, *s.SD)
	}
	if one := SpreadOf([]float64{3}); one.N != 1 || one.Mean != 3 || one.SD != nil || SpreadOf(nil) != nil {
		t.Errorf("of one: %+v", one)
	}
}
