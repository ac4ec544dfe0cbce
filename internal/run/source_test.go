package run

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkout is a git checkout of one commit, with a file "a".
func checkout(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	dir := t.TempDir()
	gitIn(t, dir, "init", "-q", "-b", "main")
	replace(t, filepath.Join(dir, "a"), "one\n")
	gitIn(t, dir, "add", "a")
	gitIn(t, dir, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-m", "one")
	return dir
}

func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// The patch that a run keeps makes the commit it names into the tree it was
// started in: git itself applies it.
func TestSourceCanBeHadAgain(t *testing.T) {
	dir, f := checkout(t), create(t)
	clean, err := f.KeepSource(t.Context(), dir, PatchName(0))
	if err != nil || clean.Commit != gitIn(t, dir, "rev-parse", "HEAD") || clean.Branch != "main" || clean.Dirty || clean.Patch != "" {
		t.Fatalf("%+v, %v", clean, err)
	}
	replace(t, filepath.Join(dir, "a"), "two\n")
	replace(t, filepath.Join(dir, "not-tracked"), "x")
	dirty, err := f.KeepSource(t.Context(), dir, PatchName(7))
	if err != nil || !dirty.Dirty || dirty.Patch != "code-000007.patch" {
		t.Fatalf("%+v, %v", dirty, err)
	}
	again := filepath.Join(t.TempDir(), "again")
	gitIn(t, dir, "clone", "-q", dir, again)
	gitIn(t, again, "checkout", "-q", dirty.Commit)
	gitIn(t, again, "apply", filepath.Join(f.Dir, dirty.Patch))
	if b, err := os.ReadFile(filepath.Join(again, "a")); err != nil || string(b) != "two\n" {
		t.Errorf("the tree made again has %q, %v", b, err)
	}
}

func TestNoSourceOutsideOfACheckout(t *testing.T) {
	s, err := create(t).KeepSource(t.Context(), t.TempDir(), "code.patch")
	if s != nil || err != nil {
		t.Errorf("%+v, %v", s, err)
	}
}
