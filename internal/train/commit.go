package train

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"diffuse/internal/atomicfile"
	"diffuse/internal/tensorfile"
)

// The files of a checkpoint are replaced together. All new ones are first
// written whole beside the old ones, as PATH.new, and then renamed. A crash
// before the first rename leaves the old checkpoint; one after it leaves files
// of which recoverFiles renames the rest. So there is always one whole
// checkpoint.
const newSuffix = ".new"

// commit renames every PATH.new to PATH. POSIX's rename leaves both names where
// they are links to the same file, as when a resumed run links "best" again.
func commit(paths []string) error {
	for _, p := range paths {
		if err := os.Rename(p+newSuffix, p); err != nil {
			return err
		}
	}
	abandon(paths)
	return nil
}

// abandon removes every PATH.new that is there.
func abandon(paths []string) {
	for _, p := range paths {
		os.Remove(p + newSuffix)
	}
}

// recoverFiles ends what a crash interrupted: if each path's file, the new one
// where there is one, is of the same step, then all were written and the
// renames are completed; else the new ones are partial and are removed.
func recoverFiles(paths []string) error {
	step, whole, pending := 0, true, []string{}
	for i, p := range paths {
		at := p
		if exists(p + newSuffix) {
			at = p + newSuffix
			pending = append(pending, p)
		}
		s, err := fileStep(at)
		if i == 0 {
			step = s
		}
		whole = whole && err == nil && s == step
	}
	if !whole {
		abandon(pending)
		return nil
	}
	return commit(pending)
}

// fileStep is the step of the safetensors file at path.
func fileStep(path string) (int, error) {
	f, err := tensorfile.OpenSafetensors(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return stepOf(f)
}

// sameStep checks that all files are of one step.
func sameStep(paths []string) (int, error) {
	first, err := fileStep(paths[0])
	if err != nil {
		return 0, err
	}
	for _, p := range paths[1:] {
		step, err := fileStep(p)
		if err != nil {
			return 0, err
		}
		if step != first {
			return 0, fmt.Errorf("%s is of step %d, but %s of step %d", paths[0], first, p, step)
		}
	}
	return first, nil
}

// duplicate makes the checkpoint at paths to out of the one at paths from, by
// hard links, for no file is ever changed in place; by copies where the file
// system has no links.
func duplicate(from, to []string) error {
	for i := range from {
		next := to[i] + newSuffix
		if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if os.Link(from[i], next) == nil {
			continue
		}
		if err := copyFile(next, from[i]); err != nil {
			abandon(to)
			return err
		}
	}
	return commit(to)
}

func copyFile(to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return atomicfile.Write(to, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

// removeStrays deletes files that a killed process left half written in dir.
func removeStrays(dir string) {
	strays, _ := filepath.Glob(filepath.Join(dir, ".*.safetensors*.tmp"))
	for _, p := range strays {
		os.Remove(p)
	}
}
