package cli

import (
	"bytes"
	"strings"
	"testing"

	"diffuse/internal/eval"
	"diffuse/internal/run"
)

// Which of two scores is better is said only where they mean the same, and with
// what their intervals say.
func TestVerdict(t *testing.T) {
	score := func(fid, low, high float64) *run.ScoreLine {
		return &run.ScoreLine{Score: eval.Score{FID: &fid, Interval: &[2]float64{low, high}, Samples: 2048}}
	}
	other := score(3, 2, 4)
	other.Samples = 512
	elsewhere := score(3, 2, 4)
	elsewhere.Reference.Hash = "f"
	bf16 := score(3, 2, 4)
	bf16.Extractor.Precision = "bf16"
	unscored := score(3, 2, 4)
	unscored.FID = nil
	for _, c := range []struct {
		a, b *run.ScoreLine
		want string
	}{
		{score(3, 2, 4), score(6, 5, 7), "a is better by 3; the 95 % intervals are apart"},
		{score(6, 5, 7), score(3, 2, 5), "b is better by 3, but the 95 % intervals overlap"},
		{score(3, 2, 4), score(3, 2, 4), "the same"},
		{score(3, 2, 4), other, "not to be compared: n differs"},
		{score(3, 2, 4), elsewhere, "not to be compared: the reference differs"},
		{score(3, 2, 4), bf16, "not to be compared: the extractor differs"},
		{score(3, 2, 4), unscored, "no FID to compare"},
	} {
		if got := verdict("a", "b", c.a, c.b); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// Deleting asks on a terminal, and only yes is yes.
func TestRemovalAsks(t *testing.T) {
	for answer, deleted := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false, "yep\n": false} {
		runs := t.TempDir()
		f, lock, err := run.Create(runs, "a", "", []byte("version: 1\n"))
		if err != nil {
			t.Fatal(err)
		}
		lock.Release()
		stdio, in, _, errOut := Test()
		stdio.InIsTerminal = true
		in.WriteString(answer)
		root := Root(stdio)
		root.SetArgs([]string{"runs", "rm", "a", "--runs", runs})
		err = root.Execute()
		if gone := len(run.Names(runs)) == 0; gone != deleted || (err == nil) != deleted {
			t.Errorf("answer %q: deleted %v, %v", answer, gone, err)
		}
		if !strings.Contains(errOut.String(), "delete "+f.Dir) {
			t.Errorf("asked %q", errOut)
		}
	}
}

// A run that trains is neither deleted nor renamed.
func TestRunThatTrainsStays(t *testing.T) {
	runs := t.TempDir()
	_, lock, err := run.Create(runs, "a", "", []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	for _, args := range [][]string{{"rm", "a", "--yes"}, {"rename", "a", "b"}} {
		stdio, _, _, _ := Test()
		root := Root(stdio)
		root.SetArgs(append([]string{"runs", "--runs", runs}, args...))
		if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "being written by another process") {
			t.Errorf("%v: %v", args, err)
		}
	}
	if names := run.Names(runs); len(names) != 1 || names[0] != "a" {
		t.Errorf("runs are %v", names)
	}
}

func TestShortHash(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("0a", 32): "0a0a0a0a0a0a", "linear": "linear", "0.01": "0.01", strings.Repeat("x", 64): strings.Repeat("x", 64),
	} {
		if got := shortHash(text); got != want {
			t.Errorf("%q is shortened to %q", text, got)
		}
	}
	var out bytes.Buffer
	d := DiffResult{A: "a", B: "b"}
	if err := d.print(&out); err != nil || strings.Count(out.String(), "the same") != 2 {
		t.Errorf("%v\n%s", err, &out)
	}
}
