package index

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"

	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// Changes are what is new since the last Refresh of an Index; all runs are new
// to the first one.
type Changes struct {
	Changed []string // names of runs, sorted
	Gone    []string
	Busy    bool // another process writes the index: what it has not read yet is missing
}

// revision tells states of a run apart.
type revision struct{ id, n int64 }

// Refresh reads what is new in the runs' folders. It does not fail because
// another process writes the index: then what is there counts.
func (x *Index) Refresh(ctx context.Context) (Changes, error) { return x.catchUp(ctx, false) }

// Reindex reads all runs anew.
func (x *Index) Reindex(ctx context.Context) (Changes, error) { return x.catchUp(ctx, true) }

func (x *Index) catchUp(ctx context.Context, anew bool) (Changes, error) {
	x.refresh.Lock()
	defer x.refresh.Unlock()
	if x.closed {
		return Changes{}, errClosed
	}
	busy, err := x.write(ctx, anew)
	if err != nil {
		return Changes{}, x.failure(ctx, err)
	}
	if x.db == nil {
		return Changes{}, x.failure(ctx, errClosed)
	}
	c, err := x.changes(ctx)
	if isDamaged(err) {
		return Changes{}, x.failure(ctx, err)
	}
	c.Busy = busy
	return c, err
}

// failure is what Refresh returns where it failed.
func (x *Index) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.New(fault.Failure, "diffuse runs reindex", "index the runs in %s: %w", x.runs, err)
}

// write brings the database up to date, if that is needed and nobody else does.
func (x *Index) write(ctx context.Context, anew bool) (busy bool, err error) {
	if !anew && !x.replaced() {
		if todo, err := x.todo(ctx); err == nil && len(todo) == 0 {
			return false, nil
		}
	}
	lock, err := x.lock(ctx, x.Patience)
	if err != nil {
		return false, err
	}
	if lock == nil {
		return true, nil
	}
	defer lock.Release()
	if x.replaced() {
		if err := x.open(ctx, true); err != nil {
			return false, err
		}
	}
	err = x.readFolders(ctx, anew)
	if isDamaged(err) {
		if err := x.replace(ctx, err); err != nil {
			return false, err
		}
		err = x.readFolders(ctx, false)
	}
	return false, err
}

// readFolders reads what is new, or everything anew. The caller holds the lock.
func (x *Index) readFolders(ctx context.Context, anew bool) error {
	if anew {
		if _, err := x.db.write.ExecContext(ctx, `UPDATE raw_run SET log_size = -2, conf_size = -2, log_print = 'anew'`); err != nil {
			return err
		}
	}
	todo, err := x.todo(ctx)
	if err != nil {
		return err
	}
	for _, f := range todo {
		if err := x.readRun(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// found is what a look at a run's folder says.
type found struct {
	run.Folder
	gone               bool
	running            bool
	logSize, logTime   int64 // size -1: there is none
	confSize, confTime int64
}

// todo are the runs whose folders are not as the index knows them.
func (x *Index) todo(ctx context.Context) ([]found, error) {
	if _, err := os.ReadDir(x.runs); err != nil {
		return nil, err // and not: all runs are gone
	}
	known := map[string]found{}
	rows, err := x.db.read.QueryContext(ctx, `SELECT name, running, log_size, log_mtime, conf_size, conf_mtime FROM raw_run`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		f := found{}
		if err := rows.Scan(&f.Name, &f.running, &f.logSize, &f.logTime, &f.confSize, &f.confTime); err != nil {
			return nil, err
		}
		f.Dir = filepath.Join(x.runs, f.Name)
		known[f.Name] = f
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var todo []found
	for _, name := range run.Names(x.runs) {
		f := look(run.Folder{Dir: filepath.Join(x.runs, name), Name: name})
		if k, ok := known[name]; !ok || k != f {
			todo = append(todo, f)
		}
		delete(known, name)
	}
	for _, f := range known {
		f.gone = true
		todo = append(todo, f)
	}
	return todo, nil
}

// look asks for the lock before the log: a run that ends in between is found
// running, and ended the next time.
func look(f run.Folder) found {
	l := found{Folder: f, running: f.Locked(), logSize: -1, confSize: -1}
	if info, err := os.Stat(f.LogPath()); err == nil {
		l.logSize, l.logTime = info.Size(), info.ModTime().UnixNano()
	}
	if info, err := os.Stat(f.ConfigPath()); err == nil {
		l.confSize, l.confTime = info.Size(), info.ModTime().UnixNano()
	}
	return l
}

// changes compares the runs with those at the last Refresh.
func (x *Index) changes(ctx context.Context) (c Changes, err error) {
	now := map[string]revision{}
	rows, err := x.db.read.QueryContext(ctx, `SELECT name, id, revision FROM raw_run`)
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var r revision
		if err := rows.Scan(&name, &r.id, &r.n); err != nil {
			return c, err
		}
		now[name] = r
		if x.seen[name] != r {
			c.Changed = append(c.Changed, name)
		}
	}
	if err := rows.Err(); err != nil {
		return c, err
	}
	for name := range x.seen {
		if _, ok := now[name]; !ok {
			c.Gone = append(c.Gone, name)
		}
	}
	slices.Sort(c.Changed)
	slices.Sort(c.Gone)
	x.seen = now
	return c, nil
}

// inTransaction calls do in a transaction of the writing connection.
func (x *Index) inTransaction(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := x.db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback() // the error tells more
		return err
	}
	return tx.Commit()
}
