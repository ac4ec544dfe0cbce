//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package download

import (
	"errors"
	"io/fs"
	"os"
)

// lock makes the file at path, or returns errLocked where it is there already.
// After a crash the file must be removed by hand; the error's hint names it.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, errLocked
	}
	if err != nil {
		return nil, err
	}
	return func() {
		_ = f.Close()
		_ = os.Remove(path)
	}, nil
}
