package index

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"diffuse/internal/run"
)

// linesAtOnce is how many lines are read in a transaction: a process that is
// killed while it reads a long log has lost no more.
const linesAtOnce = 50_000

// readRun brings one run's rows up to date with its folder.
func (x *Index) readRun(ctx context.Context, f found) error {
	if f.gone {
		return x.inTransaction(ctx, func(tx *sql.Tx) error { return forget(ctx, tx, f.Name) })
	}
	file, fault := os.Open(f.LogPath())
	if fault == nil {
		defer file.Close()
	} else if errors.Is(fault, fs.ErrNotExist) {
		fault = nil
	}
	for more := true; more; {
		err := x.inTransaction(ctx, func(tx *sql.Tx) error {
			r, err := x.newReader(ctx, tx, f)
			if err != nil {
				return err
			}
			if file != nil {
				more, err = r.readLog(file)
			} else {
				more, err = false, r.noLog(fault)
			}
			if err != nil {
				return err
			}
			return r.save(!more)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forget removes a run's rows.
func forget(ctx context.Context, tx *sql.Tx, name string) error {
	var id int64
	if err := tx.QueryRowContext(ctx, `SELECT id FROM raw_run WHERE name = ?`, name).Scan(&id); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	}
	for _, table := range []string{"raw_step", "raw_event", "raw_bucket"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE run = ?`, id); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM raw_run WHERE id = ?`, id)
	return err
}

// reader reads the lines of one run's log into rows, as run.ReadRecord reads
// them into a Record.
type reader struct {
	found
	ctx    context.Context
	tx     *sql.Tx
	insert [2]*sql.Stmt

	id     int64
	state  state
	values map[string]string // of the config
	steps  []any             // rows that are not written yet
	dirty  int               // the least step whose rows changed; none is noStep
}

// state is what is known of a run between two lines.
type state struct {
	bytes         int64
	hash          string // see fingerprint
	logError      string
	confError     string
	format        int
	stepsPerEpoch int
	trainImages   int
	lastMS        int64
	steps         int64

	status    run.Status
	ended     bool
	endError  string
	started   string // when the first attempt began
	tags      []string
	note      string
	damaged   int
	params    int
	total     int
	lastStep  int // the step that lastImages and seconds belong to
	images    int
	seconds   float64
	configOld bool // the stored config is not the file's
}

const noStep = int(^uint(0) >> 1)

// newReader takes up a run where the last reading left it.
func (x *Index) newReader(ctx context.Context, tx *sql.Tx, f found) (*reader, error) {
	r := &reader{found: f, ctx: ctx, tx: tx, dirty: noStep}
	for i, s := range x.db.insert {
		r.insert[i] = tx.StmtContext(ctx, s)
	}
	if err := r.load(); err != nil {
		return nil, err
	}
	r.readConfig()
	return r, nil
}

// readLog reads the log's next lines; more says that there are others.
func (r *reader) readLog(file *os.File) (more bool, err error) {
	if hash, err := fingerprint(file, r.state.bytes); err != nil || hash != r.state.hash {
		if err := r.restart(); err != nil { // another file, or a shorter one
			return false, err
		}
	}
	if _, err := file.Seek(r.state.bytes, io.SeekStart); err != nil {
		return false, err
	}
	lines := run.NewLines(file)
	lines.Offset = r.state.bytes
	r.state.logError = ""
	n := 0
	for ; n < linesAtOnce && lines.Next(); n++ {
		if err := r.add(lines.Line()); err != nil {
			return false, err
		}
		if r.state.logError != "" { // a newer version's: nothing of it is guessed at
			lines.Offset = lines.Line().Offset
			break
		}
	}
	if err := r.flush(); err != nil {
		return false, err
	}
	if err := lines.Err(); err != nil {
		r.state.logError = err.Error()
	}
	r.state.bytes = lines.Offset
	r.state.damaged += lines.Damaged
	if r.state.hash, err = fingerprint(file, r.state.bytes); err != nil {
		return false, err
	}
	return n == linesAtOnce, nil
}

// noLog is a run without a log, or with one that cannot be opened.
func (r *reader) noLog(fault error) error {
	if err := r.restart(); err != nil {
		return err
	}
	if fault != nil {
		r.state.logError = fault.Error()
	}
	return nil
}

// restart forgets all that was read of the log.
func (r *reader) restart() error {
	for _, table := range []string{"raw_step", "raw_event", "raw_bucket"} {
		if _, err := r.tx.ExecContext(r.ctx, `DELETE FROM `+table+` WHERE run = ?`, r.id); err != nil {
			return err
		}
	}
	confError, old := r.state.confError, r.state.configOld
	r.state = state{confError: confError, configOld: old, status: run.Unknown}
	r.steps, r.dirty = r.steps[:0], noStep
	return nil
}

// printed is how many bytes of each end of what was read are looked at again.
const printed = 4096

// fingerprint is a hash of the first and the last of a file's first n bytes. A
// log grows at its end only: another hash means another file.
func fingerprint(file io.ReaderAt, n int64) (string, error) {
	if n == 0 {
		return "", nil
	}
	b := make([]byte, 2*min(n, printed))
	if _, err := file.ReadAt(b[:len(b)/2], 0); err != nil {
		return "", err
	}
	if _, err := file.ReadAt(b[len(b)/2:], n-int64(len(b)/2)); err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
}

// add takes one line, as run.Record does.
func (r *reader) add(l run.Line) error {
	switch l.Event {
	case "step":
		return r.addStep(l)
	case "start":
		return r.addStart(l)
	case "epoch":
		if err := r.exec(`DELETE FROM raw_event WHERE run = ? AND event = 'epoch' AND step = ?`, r.id, l.Step); err != nil {
			return err // validated again after a stop
		}
		return addEvent(r, l, new(run.EpochLine))
	case "non_finite":
		return addEvent(r, l, new(run.NonFiniteLine))
	case "grid":
		return addEvent(r, l, new(run.GridLine))
	case "score":
		return addEvent(r, l, new(run.ScoreLine))
	case "alert":
		return addEvent(r, l, new(run.AlertLine))
	case "end":
		var e run.EndLine
		if !r.decode(l, &e) {
			return nil
		}
		r.state.ended, r.state.status, r.state.endError = true, e.Reason, e.Error
		return r.event(l, e)
	case "tag":
		var t run.TagLine
		if !r.decode(l, &t) {
			return nil
		}
		r.state.tags = run.Retag(r.state.tags, t)
		return r.event(l, t)
	case "note":
		var n run.NoteLine
		if !r.decode(l, &n) {
			return nil
		}
		r.state.note = n.Text
		return r.event(l, n)
	}
	return r.event(l, json.RawMessage(l.Text))
}

// decode reads a line, or counts it as damaged.
func (r *reader) decode(l run.Line, v any) bool {
	err := json.Unmarshal(l.Text, v)
	if err != nil {
		r.state.damaged++
	}
	return err == nil
}

// addEvent stores a line of a known kind.
func addEvent[T any](r *reader, l run.Line, v *T) error {
	if !r.decode(l, v) {
		return nil
	}
	return r.event(l, v)
}

// event stores a line as JSON.
func (r *reader) event(l run.Line, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return r.exec(`INSERT INTO raw_event VALUES (?, ?, ?, ?, ?)`, r.id, l.Offset, l.Event, l.Step, string(body))
}

// addStart begins an attempt: what was logged beyond its step is done anew.
func (r *reader) addStart(l run.Line) error {
	var s run.StartLine
	if !r.decode(l, &s) {
		return nil
	}
	if s.Format > run.Format {
		r.state.logError = run.Newer(s.Format).Error()
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	if r.state.started == "" {
		r.state.started = s.Time
	}
	r.state.format, r.state.total, r.state.params = s.Format, s.Total, s.Parameters
	r.state.stepsPerEpoch, r.state.trainImages = s.StepsPerEpoch, s.TrainImages
	r.state.ended, r.state.endError, r.state.lastMS = false, "", 0
	if err := r.rewind(s.Step); err != nil {
		return err
	}
	return r.event(l, s)
}

// rewind forgets what was logged beyond a step.
func (r *reader) rewind(step int) error {
	gone, err := r.tx.ExecContext(r.ctx, `DELETE FROM raw_step WHERE run = ? AND step > ?`, r.id, step)
	if err != nil {
		return err
	}
	n, err := gone.RowsAffected()
	if err != nil {
		return err
	}
	if n > 0 {
		r.state.steps -= n
		r.dirty = min(r.dirty, step+1)
	}
	const undone = `'non_finite', 'epoch', 'score', 'grid', 'checkpoint', 'grid_failed', 'score_failed'`
	if err := r.exec(`DELETE FROM raw_event WHERE run = ? AND step > ? AND event IN (`+undone+`)`, r.id, step); err != nil {
		return err
	}
	return r.lastStep()
}

// lastStep finds from where images and seconds are counted on.
func (r *reader) lastStep() error {
	s := &r.state
	err := r.tx.QueryRowContext(r.ctx, `SELECT step, images, seconds FROM raw_step WHERE run = ? ORDER BY step DESC, line DESC LIMIT 1`, r.id).
		Scan(&s.lastStep, &s.images, &s.seconds)
	if errors.Is(err, sql.ErrNoRows) {
		s.lastStep, s.images, s.seconds = 0, 0, 0
		return nil
	}
	return err
}

func (r *reader) exec(query string, args ...any) error {
	_, err := r.tx.ExecContext(r.ctx, query, args...)
	return err
}
