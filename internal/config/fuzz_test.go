package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/configs"
	"diffuse/internal/fault"
)

// FuzzLoad: whatever a file says, Load returns an error of kind Usage or a
// config that renders to one which loads as the same.
func FuzzLoad(f *testing.F) {
	for _, name := range Embedded() {
		text, err := configs.FS.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, text := range []string{
		"", "a", "- 1", "train: {lr: 1e-3}", "train:\n  lr: &a 1\n  eps: *a\n", "? a\n: b", "%YAML 1.2\n---\n",
		"model: {channels: [1, [2]]}", "name: |\n  x\n", "\x00", "train: {", "notify: {when: [nan, 'fid < 4'], webhook: 'https://h/${A}', command: \"a \\\"b\\\" \\u2028 \\\\ # $X\"}",
		strings.Repeat("[", 100), strings.Repeat("{a: ", 100),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		load := func(text string) (*Resolved, error) {
			if err := os.WriteFile(filepath.Join(dir, "my.yaml"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return Load(LoadOptions{File: "my.yaml", Dir: dir})
		}
		r, err := load(text)
		if err != nil {
			if fault.Code(err) != int(fault.Usage) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("code %d: %v", fault.Code(err), err)
			}
			return
		}
		again, err := load(string(r.YAML()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, r.YAML())
		}
		if string(again.YAML()) != string(r.YAML()) {
			t.Fatalf("%s\nis read back as\n%s", r.YAML(), again.YAML())
		}
	})
}
