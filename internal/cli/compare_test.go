package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"diffuse/internal/fault"
)

// compareArgs compares four ways of drawing.
func (w *workshop) compareArgs(more ...string) []string {
	return append([]string{
		"compare-samplers", "drawer", "--extractor", "judge", "--samples", "12", "--sampler", "ddim", "--steps", "2,3", "--eta", "0,1", "--out", w.at("c.png"),
	}, more...)
}

// cells are those in a table, or in an answer.
func cells(t *testing.T, text []byte) []Cell {
	t.Helper()
	var table struct {
		Cells []Cell `json:"cells"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&table); err != nil {
		t.Fatal(err)
	}
	for i := range table.Cells {
		table.Cells[i].Seconds = 0 // a clock's
	}
	return table.Cells
}

func diffCells(want, got []Cell) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(Cell{}))
}

func (w *workshop) table() []byte {
	w.t.Helper()
	b, err := os.ReadFile(w.at("c.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// compare runs a comparison that must succeed, and returns its cells and how many
// of them were drawn.
func (w *workshop) compare(args ...string) ([]Cell, int) {
	w.t.Helper()
	code, out, errOut := w.run(append(args, "--json")...)
	if code != 0 {
		w.t.Fatalf("%v: exit %d: %s", args, code, errOut)
	}
	return cells(w.t, []byte(out)), strings.Count(errOut, "msg=cell ")
}

// Each cell is what diffuse fid scores under its settings; the front is of those
// that no other beats.
func TestCellsAreScores(t *testing.T) {
	w := newWorkshop(t)
	got, _ := w.compare(w.compareArgs("--sampler", "ddim,heun,dpmpp_2m")...)
	var ways []string
	for _, c := range got {
		args := []string{"fid", "drawer", "--samples", "12", "--extractor", "judge", "--sampler", c.Sampler}
		if c.Steps > 0 {
			args = append(args, "--steps", fmt.Sprint(c.Steps))
		}
		if c.Eta != nil {
			args = append(args, "--eta", fmt.Sprint(*c.Eta))
		}
		want := w.score(args...)
		if diff := cmp.Diff(want.Score, c.Score); diff != "" || c.NetCalls != want.NetCalls {
			t.Errorf("%v: %d net calls, want %d: %s", args, c.NetCalls, want.NetCalls, diff)
		}
		beaten := slices.ContainsFunc(got, func(d Cell) bool { return d.NetCalls <= c.NetCalls && *d.Score.FID < *c.Score.FID })
		if c.Pareto == beaten {
			t.Errorf("%v: front %v, FID %v", args, c.Pareto, *c.Score.FID)
		}
		ways = append(ways, strings.Join(args[6:], " "))
	}
	if len(ways) != 8 { // four of DDIM, two of each of the others
		t.Errorf("the cells are %q", ways)
	}
	for _, name := range []string{"c.png", "c.json"} {
		if info, err := os.Stat(w.at(name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// stopAt cancels when the nth line that contains a word is written.
type stopAt struct {
	word   string
	n      int
	cancel func()
	text   bytes.Buffer
}

func (s *stopAt) Write(p []byte) (int, error) {
	s.text.Write(p)
	if strings.Contains(string(p), s.word) {
		if s.n--; s.n == 0 {
			s.cancel()
		}
	}
	return len(p), nil
}

// interrupted runs a command line until its nth cell begins.
func (w *workshop) interrupted(n int, args ...string) error {
	stdio, _, _, _ := Test()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	stdio.Env, stdio.Err = []string{w.env}, &stopAt{word: "msg=cell ", n: n, cancel: cancel}
	root := newRoot(stdio, &Global{})
	root.SetArgs(append([]string{"--runs", w.runs}, args...))
	return root.ExecuteContext(ctx)
}

// A comparison that was stopped goes on where it stopped, and ends in the cells
// of one that was not.
func TestComparisonIsContinued(t *testing.T) {
	w := newWorkshop(t)
	want, drawn := w.compare(w.compareArgs()...)
	if drawn != 4 {
		t.Fatalf("%d cells were drawn", drawn)
	}
	if again, drawn := w.compare(w.compareArgs()...); drawn != 0 || diffCells(want, again) != "" {
		t.Errorf("again: %d cells were drawn: %s", drawn, diffCells(want, again))
	}
	os.Remove(w.at("c.json"))
	err := w.interrupted(3, w.compareArgs()...)
	if fault.Code(err) != int(fault.Interrupted) || !strings.Contains(err.Error(), "c.json") || !strings.Contains(fault.Hint(err), "goes on") {
		t.Fatalf("code %d, hint %q: %v", fault.Code(err), fault.Hint(err), err)
	}
	if n := len(cells(t, w.table())); n != 2 {
		t.Errorf("%d cells are in the table after the third began", n)
	}
	if got, drawn := w.compare(w.compareArgs()...); drawn != 2 || diffCells(want, got) != "" {
		t.Errorf("continued: %d cells were drawn: %s", drawn, diffCells(want, got))
	}
	if diff := diffCells(want, cells(t, w.table())); diff != "" {
		t.Errorf("table and answer differ: %s", diff)
	}
	// More cells before them, stopped at once: what was finished stays.
	if err := w.interrupted(1, w.compareArgs("--steps", "1,2,3")...); fault.Code(err) != int(fault.Interrupted) {
		t.Fatal(err)
	}
	if _, drawn := w.compare(w.compareArgs("--steps", "1,2,3")...); drawn != 2 {
		t.Errorf("%d cells were drawn, want the two new ones", drawn)
	}
}

// A cell is drawn again where something that its score depends on has changed.
func TestCellsOfOtherTerms(t *testing.T) {
	w := newWorkshop(t)
	for _, out := range []string{"real", "more"} {
		seeds := map[string]string{"real": "50-79", "more": "80-81"}[out]
		if code, _, errOut := w.run("sample", "drawer", "--seeds", seeds, "--out", w.at(out)); code != 0 {
			t.Fatal(errOut)
		}
	}
	args := w.compareArgs("--ref", w.at("real"), "--steps", "2", "--eta", "0")
	if _, drawn := w.compare(args...); drawn != 1 {
		t.Fatalf("%d cells were drawn", drawn)
	}
	for _, c := range []struct {
		name string
		more []string
	}{
		{"another seed", []string{"--seed", "7"}}, {"another number", []string{"--samples", "13"}}, {"another estimator", []string{"--kid", "whole"}},
		{"another seed of the score", []string{"--score-seed", "1"}}, {"no floor", []string{"--no-floor"}}, {"the weights themselves", []string{"--raw"}},
		{"another precision", []string{"--extract-precision", "bf16"}}, {"another reference", []string{"--ref", "fashion-extract/test"}},
		{"another spacing", []string{"--spacing", "trailing"}}, {"other kernels", []string{"--kernels", "portable"}},
	} {
		if _, drawn := w.compare(append(args, c.more...)...); drawn != 1 {
			t.Errorf("%s: %d cells were drawn", c.name, drawn)
		}
		if _, drawn := w.compare(args...); drawn != 1 { // the table holds one comparison
			t.Errorf("after %s: %d cells were drawn", c.name, drawn)
		}
	}
	if err := os.Rename(w.at("more", "000080.png"), w.at("real", "000080.png")); err != nil {
		t.Fatal(err)
	}
	if got, drawn := w.compare(args...); drawn != 1 || got[0].Score.Reference.N != 31 {
		t.Errorf("one more picture in the reference: %d cells were drawn, of %d", drawn, got[0].Score.Reference.N)
	}
}

// A table that someone edited is an error, or its cells are drawn again.
func TestTableThatCannotBeTrusted(t *testing.T) {
	w := newWorkshop(t)
	args := w.compareArgs("--steps", "2", "--eta", "0")
	want, _ := w.compare(args...)
	whole := w.table()
	for name, damage := range map[string]func(cell map[string]any) any{
		"null":        func(map[string]any) any { return nil },
		"no score":    func(c map[string]any) any { delete(c, "score"); return c },
		"no FID":      func(c map[string]any) any { delete(c["score"].(map[string]any), "fid"); return c },
		"no interval": func(c map[string]any) any { delete(c["score"].(map[string]any), "interval"); return c },
		"another key": func(c map[string]any) any { c["key"] = "0"; return c },
	} {
		var table map[string][]any
		if err := json.Unmarshal(whole, &table); err != nil {
			t.Fatal(err)
		}
		table["cells"][0] = damage(table["cells"][0].(map[string]any))
		b, err := json.Marshal(table)
		if err != nil {
			t.Fatal(err)
		}
		w.write("c.json", b)
		if got, drawn := w.compare(args...); drawn != 1 || diffCells(want, got) != "" {
			t.Errorf("%s: %d cells were drawn: %s", name, drawn, diffCells(want, got))
		}
	}
	for name, b := range map[string][]byte{"half": whole[:len(whole)/2], "empty": nil, "a list": []byte("[1]")} {
		w.write("c.json", b)
		if code, _, errOut := w.run(args...); code != 3 || !strings.Contains(errOut, "c.json is no table of samplers") {
			t.Errorf("%s: exit %d: %s", name, code, errOut)
		}
		if !bytes.Equal(w.table(), b) {
			t.Errorf("%s: the file was replaced", name)
		}
	}
}

func TestBadComparisons(t *testing.T) {
	w := newWorkshop(t)
	w.write("file", nil)
	w.refuses(t, []badInput{
		{"an unknown sampler", 2, `--sampler: must be of ddpm`, w.compareArgs("--sampler", "ddim,dimm")},
		{"no sampler", 2, `--sampler: must be of ddpm`, w.compareArgs("--sampler", "")},
		{"steps in words", 2, `--steps: must be numbers`, w.compareArgs("--steps", "ten")},
		{"half a step", 2, `--steps: must be numbers`, w.compareArgs("--steps", "2.5")},
		{"no steps", 2, "0 sampling steps", w.compareArgs("--steps", "0")},
		{"negative steps", 2, "-5 sampling steps", w.compareArgs("--steps", "-5")},
		{"more steps than there are", 2, "1001 sampling steps", w.compareArgs("--steps", "1001")},
		{"eta in words", 2, `--eta: must be numbers`, w.compareArgs("--eta", "0,one")},
		{"eta above one", 2, `--eta: must be from 0 to 1`, w.compareArgs("--eta", "0,1.5")},
		{"no number as eta", 2, `--eta: must be from 0 to 1`, w.compareArgs("--eta", "NaN")},
		{"no plot", 2, "samplers.json", w.compareArgs("--out", w.at("samplers.json"))},
		{"a file as folder", 1, "file", w.compareArgs("--out", w.at("file", "c.png"))},
		{"an unknown --kid", 2, "--kid", w.compareArgs("--kid", "most")},
		{"nobody", 4, "there is no run nobody", []string{"compare-samplers", "nobody"}},
	})
	if left, _ := filepath.Glob(w.at("c.*")); len(left) > 0 {
		t.Errorf("written: %v", left)
	}
	// A folder that is not there yet is made.
	if _, drawn := w.compare(w.compareArgs("--steps", "2", "--eta", "0", "--out", w.at("new", "c.png"))...); drawn != 1 {
		t.Errorf("%d cells were drawn", drawn)
	}
}
