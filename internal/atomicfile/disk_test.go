//go:build linux || darwin

package atomicfile

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// limitFileSize makes every write beyond so many bytes of a file fail in the
// kernel, as a full disk does.
func limitFileSize(t *testing.T, bytes uint64) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ) // else the kernel kills the test
	limited := before
	limited.Cur = bytes
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limited); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	})
}

func TestFullDiskKeepsOld(t *testing.T) {
	for name, size := range map[string]int{
		"while writing": 3 * bufferSize,
		"at the flush":  bufferSize - 1, // all of it in the buffer until then
	} {
		t.Run(name, func(t *testing.T) {
			path := old(t)
			limitFileSize(t, 4096)
			err := Write(path, put(strings.Repeat("x", size)))
			if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), ".tmp") {
				t.Errorf("error %v", err)
			}
			wantAlone(t, path, "old")
		})
	}
}

func TestFolderWithoutPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	path := old(t)
	dir := filepath.Dir(path)
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	if err := Write(path, put("new")); !errors.Is(err, os.ErrPermission) {
		t.Errorf("error %v", err)
	}
	wantAlone(t, path, "old")
}

func TestModeFollowsUmask(t *testing.T) {
	before := unix.Umask(0o027)
	t.Cleanup(func() { unix.Umask(before) })
	path := filepath.Join(t.TempDir(), "f")
	if err := Write(path, func(io.Writer) error { return nil }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v (%v), want -rw-r-----", info.Mode(), err)
	}
}
