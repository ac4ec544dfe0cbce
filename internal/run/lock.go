package run

import (
	"errors"
	"os"
	"time"

	"diffuse/internal/fault"
)

// Lock keeps a second process from writing a run. The system drops it when the
// process ends, however it ends.
type Lock struct{ file *os.File }

// errLocked is what lockFile returns where another process has the lock.
var errLocked = errors.New("locked by another process")

// Lock takes the run for this process.
func (f Folder) Lock() (*Lock, error) {
	file, err := os.OpenFile(f.lockPath(), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, readOnly(f, err)
	}
	err = lockFile(file, false)
	for try := 0; errors.Is(err, errLocked) && try < 10; try++ { // somebody may only be asking, see Locked
		time.Sleep(20 * time.Millisecond)
		err = lockFile(file, false)
	}
	if err != nil {
		_ = file.Close() // nothing was written
		if errors.Is(err, errLocked) {
			return nil, fault.New(fault.Failure, "wait for it to end, or train under another --name",
				"run %s is being written by another process", f.Name)
		}
		return nil, readOnly(f, err)
	}
	return &Lock{file}, nil
}

// Locked tells whether a process holds the run's lock. Where that cannot be
// asked, it is taken as free.
func (f Folder) Locked() bool {
	file, err := os.Open(f.lockPath())
	if err != nil {
		return false
	}
	defer file.Close()
	return errors.Is(lockFile(file, true), errLocked)
}

// TryLock takes a file, which it makes where there is none, as a lock between
// processes. It is nil where another one has it.
func TryLock(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	if err := lockFile(file, false); err != nil {
		_ = file.Close() // nothing was written
		if errors.Is(err, errLocked) {
			return nil, nil
		}
		return nil, err
	}
	return &Lock{file}, nil
}

// Release gives the run free. A nil lock has nothing to release.
func (l *Lock) Release() {
	if l != nil {
		_ = l.file.Close() // nothing was written
	}
}
