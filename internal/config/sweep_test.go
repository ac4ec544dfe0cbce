package config

import (
	"testing"

	"diffuse/configs"
	"diffuse/internal/fault"
)

// FuzzSweep: any text is a sweep whose values Load takes as they were written, or
// an error of kind Usage.
func FuzzSweep(f *testing.F) {
	for _, name := range EmbeddedSweeps() {
		text, err := configs.FS.ReadFile("sweeps/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, text := range []string{
		"config: quick\nset:\ngrid: {train.lr: [1e-3, .5]}\n", "config: a/b\nruns: [{}, {data.range: [0, 1]}]\nscore: {}\n",
		"config: [quick]\nruns: [null]\n", "config: quick\ngrid: {name: ['', \"a\"]}\nscore:\n", "grid: &a {train.seed: *a}\n", "runs:\n- ? a\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSweep("my.yaml", []byte(text))
		if err != nil {
			if fault.Code(err) != int(fault.Usage) {
				t.Fatalf("code %d: %v", fault.Code(err), err)
			}
			return
		}
		all := s.Set
		for _, a := range s.Grid {
			all = append(all, a.Values...)
		}
		for _, r := range s.Runs {
			all = append(all, r.Keys...)
		}
		checkReadBack(t, all)
	})
}

// checkReadBack reads overrides as Load does: their values are still those.
func checkReadBack(t *testing.T, all []Override) {
	t.Helper()
	for _, o := range all {
		k, _ := lookup(o.Key)
		x, err := assign(k, value{text: o.Value, style: typed, source: o.From})
		if err != nil {
			t.Fatalf("%s cannot be read back: %v", o.Value, err)
		}
		if again := textOf(x); again != o.Value {
			t.Fatalf("%s is read back as %s", o.Value, again)
		}
	}
}
