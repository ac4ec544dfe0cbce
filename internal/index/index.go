// Package index answers questions about many runs fast. It keeps what the runs'
// folders say in a SQLite database beside them, which can be deleted at any
// time: log.jsonl is the truth, and Refresh catches up with it.
//
// Trainings know nothing of it. Whoever asks reads first what is new in the
// folders; one process at a time writes, the others read what is there.
package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// The files of the index in the folder of runs.
const (
	File     = ".index.sqlite"
	lockName = ".index.lock"
)

// Index is the index of a folder of runs. It may be used by many goroutines.
type Index struct {
	// Patience is how long Refresh waits for another process that writes the index
	// before what is there counts.
	Patience time.Duration

	runs string // the folder of runs, absolute
	path string // of the database
	temp string // a folder of our own that holds it; empty where it lies beside the runs

	refresh sync.Mutex // one Refresh at a time

	mu       sync.RWMutex // guards what a rebuild replaces
	db       *database
	warnings []string
	seen     map[string]revision // at the last Refresh
	closed   bool                // guarded by refresh
}

// database is an open file: one connection that writes, some that read.
type database struct {
	write, read *sql.DB
	insert      [2]*sql.Stmt // of one step, and of stepsAtOnce
	info        os.FileInfo
}

// patience is how long commands wait for another process that writes the index.
const patience = 3 * time.Second

// Open opens the index of a folder of runs. One that is missing, damaged or of
// another version is made anew; one that cannot be written is replaced by a
// temporary one. What it holds is up to date after Refresh.
//
// Errors are of kind fault.Failure.
func Open(ctx context.Context, runs string) (*Index, error) {
	abs, err := filepath.Abs(runs)
	if err == nil {
		_, err = os.ReadDir(abs)
	}
	if err != nil {
		return nil, fault.New(fault.Failure, "diffuse train", "read the folder of runs: %w", err)
	}
	x := &Index{Patience: patience, runs: abs, path: filepath.Join(abs, File)}
	lock, err := x.lock(ctx, patience)
	if err != nil && ctx.Err() == nil {
		if err := x.openTemporary(ctx); err != nil {
			return nil, err
		}
		return x, nil
	}
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	if err := x.open(ctx, lock != nil); err != nil {
		return nil, err
	}
	return x, nil
}

// openTemporary makes an index elsewhere: the folder of runs cannot be written.
func (x *Index) openTemporary(ctx context.Context) (err error) {
	if x.temp, err = os.MkdirTemp("", "diffuse-index-"); err != nil {
		return fault.New(fault.Failure, "", "make a temporary index: %w", err)
	}
	x.path = filepath.Join(x.temp, File)
	if err := x.open(ctx, true); err != nil {
		os.RemoveAll(x.temp)
		return err
	}
	return nil
}

// lock takes the right to write the index; it is nil where another process has it
// for longer than we wait. A temporary index is nobody else's.
func (x *Index) lock(ctx context.Context, patience time.Duration) (*run.Lock, error) {
	path := filepath.Join(x.runs, lockName)
	if x.temp != "" {
		path = filepath.Join(x.temp, lockName)
	}
	for end := time.Now().Add(patience); ; {
		lock, err := run.TryLock(path)
		if lock != nil || err != nil || !time.Now().Before(end) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Close closes the index.
func (x *Index) Close() error {
	x.refresh.Lock()
	defer x.refresh.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	err := x.db.close()
	x.db = nil
	if x.temp != "" {
		os.RemoveAll(x.temp)
	}
	return err
}

// Warnings are what a user should know of the index, such as that it was damaged
// and made anew; each is returned once.
func (x *Index) Warnings() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.warnings
	x.warnings = nil
	return all
}

func (x *Index) warn(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.warnings = append(x.warnings, fmt.Sprintf(format, args...))
}

// reading calls ask with connections that only read. A database that turns out
// to be damaged is made anew, once.
func (x *Index) reading(ctx context.Context, ask func(*sql.DB) error) error {
	err := x.ask(ask)
	if !isDamaged(err) {
		return err
	}
	if err := x.rebuild(ctx, err); err != nil {
		return err
	}
	return x.ask(ask)
}

func (x *Index) ask(ask func(*sql.DB) error) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.db == nil {
		return errClosed
	}
	return ask(x.db.read)
}

// errClosed is the error of an index that is closed, or could not be made anew.
var errClosed = errors.New("the index is not open")

// rebuild makes a damaged database anew from the folders.
func (x *Index) rebuild(ctx context.Context, cause error) error {
	x.refresh.Lock()
	defer x.refresh.Unlock()
	if x.closed {
		return errClosed
	}
	lock, err := x.lock(ctx, patience)
	if err != nil {
		return err
	}
	if lock == nil {
		return cause
	}
	defer lock.Release()
	if err := x.replace(ctx, cause); err != nil {
		return err
	}
	return x.readFolders(ctx, false)
}

// readers is how many connections read at once.
func readers() int { return max(2, runtime.GOMAXPROCS(0)) }

func (d *database) close() error {
	if d == nil {
		return nil
	}
	return errors.Join(d.read.Close(), d.write.Close())
}
