package config

import (
	"strings"
	"testing"

	"diffuse/configs"
	"diffuse/internal/fault"
)

// The lesson's notebooks: each recipe's config is one of the binary's, and each of
// its scores a way of drawing that the config can.
func TestEmbeddedRecipes(t *testing.T) {
	if names := strings.Join(EmbeddedRecipes(), " "); names != "nb17.yaml nb19.yaml nb20.yaml nb22.yaml" {
		t.Errorf("the recipes are %s", names)
	}
	for _, name := range EmbeddedRecipes() {
		r, err := LoadRecipe(Shipped(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Scores {
			c, err := Load(LoadOptions{File: Shipped(r.Config), Flags: append(r.Set, s.Keys...)})
			if err != nil {
				t.Errorf("%s: %s: %v", name, s.Name, err)
			} else if c.Sample.N != s.Samples {
				t.Errorf("%s: %s: draws %d images, scores %d", name, s.Name, c.Sample.N, s.Samples)
			}
		}
	}
}

// TestRecipeErrors: each wrong recipe gives one line that says where and what.
func TestRecipeErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no config", "title: a\n", "my.yaml: the key config is missing: what is trained"},
		{"unknown key", "confg: quick\n", "my.yaml:1:1: unknown key confg, did you mean config?"},
		{"a list", "- 1\n", "my.yaml:1:1: a recipe must be a section of keys"},
		{"run is no name", "config: quick\nrun: a/b\n", `my.yaml:2:1: run must be a name that a folder can have, got "a/b"`},
		{"loss as a word", "config: quick\nvalid_loss: low\n", `my.yaml:2:13: valid_loss must be a number, got "low"`},
		{"set of no key", "config: quick\nset: {train.lrr: 1}\n", "my.yaml:2:7: unknown key train.lrr, did you mean train.lr?"},
		{"scores as a section", "config: quick\nscores: {name: a}\n", "my.yaml:2:1: scores must be a list of sections"},
		{"score without a name", "config: quick\nscores: [{samples: 8}]\n", "my.yaml:2:10: a score needs a name"},
		{"score's unknown key", "config: quick\nscores: [{name: a, fdi: 8}]\n", "my.yaml:2:20: unknown key fdi, did you mean fid?"},
		{"one sample", "config: quick\nscores: [{name: a, samples: 1}]\n", "my.yaml:2:29: samples must be from 2 to 1000000, got 1"},
		{"score trains", "config: quick\nscores: [{name: a, set: {train.lr: 1}}]\n", "my.yaml:2:36: a score sets keys of the sample section, not train.lr"},
		{"score counts", "config: quick\nscores: [{name: a, set: {sample.n: 8}}]\n", "my.yaml:2:36: a score sets keys of the sample section, not sample.n"},
		{"too large", strings.Repeat("# padding\n", 4000), "my.yaml: too large for a recipe (more than 32 KiB)"},
	} {
		_, err := parseRecipe("my.yaml", []byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || fault.Code(err) != int(fault.Usage) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// FuzzRecipe: any text is a recipe whose values Load takes as they were written,
// or an error of kind Usage.
func FuzzRecipe(f *testing.F) {
	for _, name := range EmbeddedRecipes() {
		text, err := configs.FS.ReadFile("recipes/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, text := range []string{
		"config: quick\nscores: [{name: a, samples: 8, set: {sample.clip: [0, 1]}}]\n", "config: a/b\nscores: [null]\n", "scores:\n", "run: {}\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRecipe("my.yaml", []byte(text))
		if err != nil {
			if fault.Code(err) != int(fault.Usage) {
				t.Fatalf("code %d: %v", fault.Code(err), err)
			}
			return
		}
		all := r.Set
		for _, s := range r.Scores {
			all = append(all, s.Keys...)
		}
		checkReadBack(t, all)
	})
}
