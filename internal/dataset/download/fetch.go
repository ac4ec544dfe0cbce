package download

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"diffuse/internal/atomicfile"
	"diffuse/internal/fault"
)

// Observer hears how a download goes.
type Observer interface {
	// Start: size bytes of file are to come from url, of which have are here already.
	Start(file, url string, have, size int64)
	// Advance: n more bytes are here.
	Advance(n int)
	// Failed: a try at url ended with err; another try or mirror may follow.
	Failed(file, url string, err error)
}

// Fetcher downloads files. Its zero value is not ready: see NewFetcher.
type Fetcher struct {
	Observer Observer
	Tries    int           // how often a mirror is asked to go on after a broken transfer
	Stall    time.Duration // a transfer without a byte for so long is broken
	WaitMin  time.Duration // wait before the first repeat; it doubles, up to WaitMax
	WaitMax  time.Duration
}

// NewFetcher is a Fetcher with patience for a slow line.
func NewFetcher(o Observer) *Fetcher {
	return &Fetcher{Observer: o, Tries: 4, Stall: 30 * time.Second, WaitMin: time.Second, WaitMax: 10 * time.Second}
}

const (
	partSuffix = ".part"       // what has arrived
	etagSuffix = ".part.etag"  // which version of which address it is
	lockName   = ".fetch.lock" // held while files of the folder are fetched
)

var errLocked = errors.New("locked")

// Fetch makes sure that dir/file.Name is there and right. fetched is false where
// it was so before. Each of mirrors is a folder's address. Errors: fault.Data
// where no mirror has the file, fault.Interrupted where ctx ended; then what has
// arrived stays in NAME.part and the next Fetch goes on from there.
func (f *Fetcher) Fetch(ctx context.Context, dir string, file File, mirrors []string) (fetched bool, err error) {
	path := filepath.Join(dir, file.Name)
	if file.Check(path) == nil { // whole: nothing to lock, and the folder may be read-only
		return false, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return false, err
	}
	unlock, err := lock(filepath.Join(dir, lockName))
	if errors.Is(err, errLocked) {
		return false, fault.New(fault.Failure, fmt.Sprintf("wait for it to end (if none is running, remove %s)", filepath.Join(dir, lockName)),
			"another fetch is at work in %s", dir)
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", dir, err)
	}
	defer unlock()

	switch err := file.Check(path); {
	case err == nil: // another fetch has just brought it
		return false, nil
	case !errors.Is(err, fs.ErrNotExist):
		f.Observer.Failed(file.Name, path, err) // damaged: replaced below
	}
	t := &transfer{Fetcher: f, client: f.client(), file: file, path: path}
	if err := t.fromAny(ctx, mirrors); err != nil {
		return false, err
	}
	return true, nil
}

// fromAny asks the mirrors in turn.
func (t *transfer) fromAny(ctx context.Context, mirrors []string) error {
	var reasons []string
	for _, mirror := range mirrors {
		url := strings.TrimSuffix(mirror, "/") + "/" + t.file.Name
		err := t.from(ctx, url)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return t.interrupted()
		}
		if _, local := errors.AsType[*diskError](err); local {
			return err // no mirror can help
		}
		reasons = append(reasons, fmt.Sprintf("\n  %s: %v", url, err))
	}
	return fault.New(fault.Data, fmt.Sprintf("try again later, name another mirror with --mirror URL, or put the file into %s yourself", filepath.Dir(t.path)),
		"no mirror has %s%s", t.file.Name, strings.Join(reasons, ""))
}

func (t *transfer) interrupted() error {
	return fault.New(fault.Interrupted, "the same command goes on from there", "interrupted; %d of %d bytes of %s are kept", t.arrived(), t.file.Size, t.file.Name)
}

// from downloads from one address, going on after broken transfers, until the
// file is whole and right.
func (t *transfer) from(ctx context.Context, url string) error {
	var err error
	for range t.Tries {
		fresh := t.arrived() == 0
		if err = t.once(ctx, url); err == nil {
			err = t.finish()
		}
		_, local := errors.AsType[*diskError](err)
		if err == nil || local || ctx.Err() != nil {
			return err
		}
		t.Observer.Failed(t.file.Name, url, err)
		if errors.Is(err, errWrong) {
			t.discard()
		}
		_, refused := errors.AsType[*refusal](err)
		if refused || fresh && errors.Is(err, errWrong) { // else the bytes of an earlier try may be at fault
			return err
		}
		if err := t.pause(ctx); err != nil {
			return err
		}
	}
	return err
}

func (t *transfer) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t.WaitMin):
		return nil
	}
}

// finish checks the whole .part and gives it its name.
func (t *transfer) finish() error {
	if err := t.file.Check(t.part()); err != nil {
		return fmt.Errorf("%w: %w", errWrong, err)
	}
	if err := atomicfile.Rename(t.part(), t.path); err != nil {
		return &diskError{err}
	}
	_ = os.Remove(t.path + etagSuffix)
	return nil
}

// discard forgets what has arrived.
func (t *transfer) discard() {
	_ = os.Remove(t.part())
	_ = os.Remove(t.path + etagSuffix)
}
