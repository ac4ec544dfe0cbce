// Package atomicfile replaces a file in one step: what stood at the path stays
// whole until the new content is on the disk.
package atomicfile

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// bufferSize keeps system calls few when a caller writes a few bytes at a time.
const bufferSize = 1 << 20

// Write calls fill with a writer on a new file in path's folder, flushes that
// file to the disk and renames it to path. On any error, a panic of fill
// included, path is as it was and the new file is gone.
func Write(path string, fill func(w io.Writer) error) (err error) {
	f, err := createBeside(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	kept := false
	defer func() {
		if !kept {
			_ = f.Close() // a second Close after a failed one does no harm
			_ = os.Remove(f.Name())
		}
	}()
	if err := fillAndSync(f, fill); err != nil {
		return fmt.Errorf("write %s: %w", path, withoutTempName(err, f.Name()))
	}
	if err := Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	kept = true
	return nil
}

// WriteJSON replaces the file at path by v, indented.
func WriteJSON(path string, v any) error {
	return Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	})
}

// Rename gives a finished, flushed file its name in the same folder, and flushes
// the folder, so that a power cut leaves either the old file or the new one.
func Rename(from, path string) error {
	if err := os.Rename(from, path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("flush its folder: %w", err)
	}
	return nil
}

func fillAndSync(f *os.File, fill func(w io.Writer) error) error {
	w := bufio.NewWriterSize(f, bufferSize)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// createBeside opens a new hidden file next to path. os.CreateTemp would make it
// readable by its owner only; here the user's umask decides, as for any file.
func createBeside(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	for try := 0; ; try++ {
		name := fmt.Sprintf("%s.%s.%08x.tmp", dir, base, rand.Uint32())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) && try < 100 {
			continue
		}
		return f, withoutTempName(err, name)
	}
}

// withoutTempName drops the path of an error on the temporary file: the user
// knows the file's own name only.
func withoutTempName(err error, name string) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok && pe.Path == name {
		return pe.Err
	}
	return err
}
