package run

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	"diffuse/internal/atomicfile"
)

// PatchName is the file in a run's folder that holds the changes of its source
// that were not committed when an attempt began at a step.
func PatchName(step int) string {
	if step == 0 {
		return "code.patch"
	}
	return fmt.Sprintf("code-%06d.patch", step)
}

// maxPatch bounds what is kept of changes that were not committed, bytes.
const maxPatch = 16 << 20

// ReadSource says which git checkout dir lies in, and the changes that are not
// committed, as a patch. Files that git does not track are not among them. It is
// nil outside of a checkout and without git.
func ReadSource(ctx context.Context, dir string) (*Source, []byte) {
	commit, err := git(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return nil, nil // no checkout, no commit or no git: there is nothing to tell
	}
	s := &Source{Commit: strings.TrimSpace(string(commit))}
	if branch, err := git(ctx, dir, "symbolic-ref", "--short", "-q", "HEAD"); err == nil {
		s.Branch = strings.TrimSpace(string(branch))
	}
	changes, err := git(ctx, dir, "diff", "HEAD", "--binary", "--no-color", "--no-ext-diff")
	if err != nil {
		return s, nil
	}
	s.Dirty = len(changes) > 0
	return s, changes
}

// KeepSource is ReadSource that writes the changes to the run's folder under a
// name, unless they are too large to keep.
func (f Folder) KeepSource(ctx context.Context, dir, patch string) (*Source, error) {
	s, changes := ReadSource(ctx, dir)
	if len(changes) == 0 || len(changes) > maxPatch {
		return s, nil
	}
	s.Patch = patch
	return s, atomicfile.Write(filepath.Join(f.Dir, patch), func(w io.Writer) error {
		_, err := w.Write(changes)
		return err
	})
}

// git is what git prints in a folder.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	return out.Bytes(), err
}
