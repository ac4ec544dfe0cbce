package index

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // the driver "sqlite", and its errors

	"diffuse/internal/fault"
	"diffuse/internal/run"
)

//go:embed migrations/*.sql
var migrations embed.FS

// errUnknown is the error of an index that another version made.
var errUnknown = errors.New("it is of another version")

// SQLite's codes of a file that is no database, or a damaged one.
const (
	codeCorrupt = 11
	codeNotADB  = 26
)

// isDamaged tells whether the database, not the question, is wrong.
func isDamaged(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == codeCorrupt || e.Code()&0xff == codeNotADB) || errors.Is(err, errUnknown)
}

// open opens the database. Where it may write (it holds the lock, or nobody else
// knows the file) it makes the tables, and makes a damaged one anew.
func (x *Index) open(ctx context.Context, mayWrite bool) error {
	db, err := connect(ctx, x.path, mayWrite)
	if err == nil {
		x.set(db)
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !mayWrite {
		return fault.New(fault.Failure, "try again in a moment", "another process is making the index %s: %w", x.path, err)
	}
	return x.replace(ctx, err)
}

// replace makes the database anew. Nothing is lost: the folders hold all of it.
// Where the old file cannot be removed, a temporary one takes its place.
func (x *Index) replace(ctx context.Context, cause error) error {
	x.warn("the index %s could not be read and was made anew from the runs: %v", x.path, cause)
	x.set(nil)
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(x.path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return x.openTemporary(ctx)
		}
	}
	db, err := connect(ctx, x.path, true)
	if err != nil {
		return fault.New(fault.Failure, "delete it; it is made anew", "make the index %s: %w", x.path, err)
	}
	x.set(db)
	return nil
}

// set replaces the open database.
func (x *Index) set(db *database) {
	x.mu.Lock()
	defer x.mu.Unlock()
	_ = x.db.close() // what was written is committed
	x.db = db
}

// replaced tells whether another process has made the database anew since it was
// opened.
func (x *Index) replaced() bool {
	info, err := os.Stat(x.path)
	return err != nil || x.db == nil || !os.SameFile(info, x.db.info)
}

// connect opens the file for writing and reading, and brings its tables up to
// date where it may write.
func connect(ctx context.Context, path string, mayWrite bool) (d *database, err error) {
	d = &database{}
	defer func() {
		if err != nil {
			_ = d.close() // the error tells more
		}
	}()
	// synchronous=normal: a power cut may take the last transactions, which are read again.
	mode := "mode=rw"
	if mayWrite {
		mode = "mode=rwc"
	}
	if d.write, err = sql.Open("sqlite", dsn(path, mode, "_txlock=immediate", "_pragma=journal_mode(wal)", "_pragma=synchronous(normal)", "_pragma=cache_size(-32000)")); err != nil {
		return d, err
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = sql.Open("sqlite", dsn(path, "mode=ro", "_pragma=query_only(1)")); err != nil {
		return d, err
	}
	d.read.SetMaxOpenConns(readers())
	d.read.SetMaxIdleConns(readers())
	if mayWrite {
		if err := migrate(ctx, d.write); err != nil {
			return d, err
		}
	}
	if err := checkVersion(ctx, d.write); err != nil {
		return d, err
	}
	for i, rows := range []int{1, stepsAtOnce} {
		if d.insert[i], err = d.write.PrepareContext(ctx, insertSteps(rows)); err != nil {
			return d, err
		}
	}
	d.info, err = os.Stat(path)
	return d, err
}

// dsn names a database file and how to open it. Connections wait for each other
// instead of failing with "database is locked".
func dsn(path string, options ...string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/...
	}
	options = append(options, "_pragma=busy_timeout(15000)")
	return (&url.URL{Scheme: "file", Path: path, RawQuery: strings.Join(options, "&")}).String()
}

// migrate makes the tables, or brings them up to date.
func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `INSERT INTO meta VALUES ('format', ?) ON CONFLICT DO NOTHING`, strconv.Itoa(run.Format))
	return err
}

// version is the newest migration's.
const version = 1

// checkVersion refuses a database whose tables or whose reading of the logs are
// not this program's.
func checkVersion(ctx context.Context, db *sql.DB) error {
	var tables, format int
	if err := db.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version WHERE is_applied`).Scan(&tables); err != nil {
		return fmt.Errorf("%w: %w", errUnknown, err)
	}
	if err := db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'format'`).Scan(&format); err != nil {
		return fmt.Errorf("%w: %w", errUnknown, err)
	}
	if tables != version || format != run.Format {
		return fmt.Errorf("%w: tables %d and logs %d, this program has %d and %d", errUnknown, tables, format, version, run.Format)
	}
	return nil
}
