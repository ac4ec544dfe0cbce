package index

import (
	"database/sql"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"time"

	"diffuse/internal/config"
	"diffuse/internal/run"
)

// load reads the run's row, or makes it.
func (r *reader) load() error {
	if err := r.exec(`INSERT INTO raw_run (name) VALUES (?) ON CONFLICT DO NOTHING`, r.Name); err != nil {
		return err
	}
	s := &r.state
	var tags, values string
	var size, mtime int64
	err := r.tx.QueryRowContext(r.ctx, `SELECT id, log_bytes, log_print, log_error, conf_error, conf_size, conf_mtime, format, steps_per_epoch,
		train_images, last_ms, steps, status, ended, error, started, tags, note, damaged, parameters, total, config FROM raw_run WHERE name = ?`, r.Name).
		Scan(&r.id, &s.bytes, &s.hash, &s.logError, &s.confError, &size, &mtime, &s.format, &s.stepsPerEpoch,
			&s.trainImages, &s.lastMS, &s.steps, &s.status, &s.ended, &s.endError, &s.started, &tags, &s.note, &s.damaged, &s.params, &s.total, &values)
	if err != nil {
		return err
	}
	s.configOld = size != r.confSize || mtime != r.confTime
	if err := errors.Join(json.Unmarshal([]byte(tags), &s.tags), json.Unmarshal([]byte(values), &r.values)); err != nil {
		return err
	}
	return r.lastStep()
}

// readConfig reads the run's config where it is not the one that is known. One
// that cannot be read makes the run unreadable, and no more.
func (r *reader) readConfig() {
	if !r.state.configOld {
		return
	}
	r.state.confError, r.values = "", map[string]string{}
	resolved, err := config.Load(config.LoadOptions{File: r.ConfigPath()})
	if err != nil {
		r.state.confError = err.Error()
		return
	}
	flatten(r.values, "", resolved.Tree())
}

// flatten writes a tree's leaves as text under their paths, such as train.lr.
func flatten(to map[string]string, prefix string, tree map[string]any) {
	for key, v := range tree {
		switch v := v.(type) {
		case map[string]any:
			flatten(to, prefix+key+".", v)
		case string:
			to[prefix+key] = v
		default:
			to[prefix+key] = config.Literal(reflect.ValueOf(v))
		}
	}
}

// batch is the images of a step, as the config has it; 0 where it is unknown.
func (r *reader) batch() int {
	n, err := strconv.Atoi(r.values["train.batch"])
	if err != nil {
		return 0
	}
	return n
}

// save writes what is known of the run. done says that the log was read to its
// end: else the next look must find the run changed.
func (r *reader) save(done bool) error {
	if err := r.updateBuckets(); err != nil {
		return err
	}
	s := &r.state
	status, err := r.status()
	if err != nil {
		return err
	}
	size := r.logSize
	if !done {
		size = -2
	}
	tags, err := json.Marshal(append([]string{}, s.tags...))
	if err != nil {
		return err
	}
	values, err := json.Marshal(r.values)
	if err != nil {
		return err
	}
	created, updated := r.times()
	err = r.exec(`UPDATE raw_run SET revision = revision + 1, running = ?, log_bytes = ?, log_size = ?, log_mtime = ?, log_print = ?, log_error = ?,
		conf_size = ?, conf_mtime = ?, conf_error = ?, format = ?, steps_per_epoch = ?, train_images = ?, last_ms = ?, steps = ?,
		status = ?, ended = ?, error = ?, started = ?, created = ?, updated = ?, config = ?, tags = ?, note = ?, damaged = ?, parameters = ?, total = ? WHERE id = ?`,
		r.running, s.bytes, size, r.logTime, s.hash, s.logError,
		r.confSize, r.confTime, s.confError, s.format, s.stepsPerEpoch, s.trainImages, s.lastMS, s.steps,
		status, s.ended, s.endError, s.started, created, updated, string(values), string(tags), s.note, s.damaged, s.params, s.total, r.id)
	if err != nil {
		return err
	}
	return r.summarize()
}

// status is how the run stands where nobody holds its lock: see run.Record.
func (r *reader) status() (run.Status, error) {
	s := &r.state
	switch {
	case s.ended:
		return s.status, nil
	case s.format > 0:
		return run.Crashed, nil
	}
	var step int
	err := r.tx.QueryRowContext(r.ctx, `SELECT step FROM raw_event WHERE run = ? AND event = 'epoch' ORDER BY line DESC LIMIT 1`, r.id).Scan(&step)
	if errors.Is(err, sql.ErrNoRows) {
		return run.Unknown, nil
	}
	if err == nil && s.total > 0 && step >= s.total {
		return run.Finished, nil
	}
	return run.Unknown, err
}

// times are when the run began and when something was last written to it.
func (r *reader) times() (created, updated string) {
	updated = run.Timestamp(time.Unix(0, max(r.logTime, r.confTime)))
	if t, err := time.Parse(time.RFC3339, r.state.started); err == nil {
		return run.Timestamp(t), updated
	}
	return run.Timestamp(time.Unix(0, r.confTime)), updated
}

// lossSteps is over how many of the last steps a run's loss is the mean.
const lossSteps = 50

// paceSteps is over how many of the last steps a run's pace is measured.
const paceSteps = 1000

// summarize fills in what follows from the run's rows. Each part is asked along an
// index, so that it costs the same for a long run.
func (r *reader) summarize() error {
	for _, query := range []string{summarySteps, summaryEpochs, summaryScores} {
		if err := r.exec(query, r.id, lossSteps, paceSteps); err != nil {
			return err
		}
	}
	return r.summarizeScore()
}

const summarySteps = `
UPDATE raw_run SET (step, epoch, images, seconds, lr, grad_norm, img_per_s, memory) =
  (SELECT coalesce(max(step), 0), coalesce(epoch, 0), coalesce(images, 0), coalesce(seconds, 0), lr, grad_norm, img_per_s, memory
   FROM (SELECT * FROM raw_step WHERE run = ?1 ORDER BY step DESC, line DESC LIMIT 1)),
  loss = (SELECT avg(loss) FROM (SELECT loss FROM raw_step WHERE run = ?1 ORDER BY step DESC, line DESC LIMIT ?2)),
  pace = (SELECT (b.seconds - a.seconds) / (b.step - a.step) FROM
   (SELECT step, seconds FROM raw_step WHERE run = ?1 ORDER BY step DESC, line DESC LIMIT 1) b,
   (SELECT step, seconds FROM raw_step WHERE run = ?1 AND step >= (SELECT max(step) - ?3 FROM raw_step WHERE run = ?1) ORDER BY step LIMIT 1) a
   WHERE b.step > a.step)
WHERE id = ?1`

const summaryEpochs = `
UPDATE raw_run SET (train_loss, valid_loss, valid_loss_ema, accuracy) =
  (SELECT body ->> '$.train_loss', body ->> '$.valid_loss', body ->> '$.valid_loss_ema', body ->> '$.accuracy'
   FROM raw_event WHERE run = ?1 AND event = 'epoch' ORDER BY line DESC LIMIT 1),
  best_loss = (SELECT min(body ->> '$.valid_loss') FROM raw_event WHERE run = ?1 AND event = 'epoch')
WHERE id = ?1`

const summaryScores = `
UPDATE raw_run SET
  fid = (SELECT body ->> '$.fid' FROM raw_event WHERE run = ?1 AND event = 'score' AND body ->> '$.fid' IS NOT NULL ORDER BY line DESC LIMIT 1),
  kid = (SELECT body ->> '$.kid' FROM raw_event WHERE run = ?1 AND event = 'score' AND body ->> '$.kid' IS NOT NULL ORDER BY line DESC LIMIT 1)
WHERE id = ?1`

// summarizeScore writes the latest score with its terms, in one line.
func (r *reader) summarizeScore() error {
	var body string
	err := r.tx.QueryRowContext(r.ctx, `SELECT body FROM raw_event WHERE run = ? AND event = 'score' ORDER BY line DESC LIMIT 1`, r.id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return r.exec(`UPDATE raw_run SET score = '' WHERE id = ? AND score != ''`, r.id)
	}
	if err != nil {
		return err
	}
	var s run.ScoreLine
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return err
	}
	line := s.FIDLine()
	if line == "" {
		line = s.KIDLine()
	}
	return r.exec(`UPDATE raw_run SET score = ? WHERE id = ?`, line, r.id)
}
