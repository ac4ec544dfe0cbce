package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// old makes a file with content "old" and returns its path.
func old(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantAlone demands that path holds content and its folder nothing else.
func wantAlone(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content {
		t.Errorf("file holds %q (%v), want %q", got, err, content)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("folder holds %v (%v), want the file alone", entries, err)
	}
}

func put(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func TestWrite(t *testing.T) {
	path := old(t)
	for _, text := range []string{"new", "", strings.Repeat("x", 3*bufferSize+1)} {
		if err := Write(path, put(text)); err != nil {
			t.Fatal(err)
		}
		wantAlone(t, path, text)
	}
}

func TestWriteInWorkingFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := Write("f", put("new")); err != nil {
		t.Fatal(err)
	}
	wantAlone(t, "f", "new")
}

func TestReadersSeeOldUntilTheEnd(t *testing.T) {
	path := old(t)
	err := Write(path, func(w io.Writer) error {
		if err := put("new")(w); err != nil {
			return err
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
			t.Errorf("while writing the file holds %q (%v)", got, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantAlone(t, path, "new")
}

func TestErrorKeepsOld(t *testing.T) {
	path := old(t)
	broken := errors.New("broken")
	err := Write(path, func(w io.Writer) error {
		if err := put(strings.Repeat("x", 2*bufferSize))(w); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	wantAlone(t, path, "old")
}

func TestPanicKeepsOld(t *testing.T) {
	path := old(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		Write(path, func(io.Writer) error { panic("broken") })
	}()
	wantAlone(t, path, "old")
}

func TestNoFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "f")
	err := Write(path, put("new"))
	if !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("error %v", err)
	}
}

func TestFolderInThePlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d")
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, put("new")); err == nil {
		t.Error("a folder was replaced")
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("folder holds %v (%v)", entries, err)
	}
}
