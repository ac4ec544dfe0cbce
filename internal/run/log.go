package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"diffuse/internal/machine"
	"diffuse/internal/train"
)

// Log appends what happens to a run's log.jsonl. It is a train.Observer.
type Log struct {
	file    *os.File
	folder  Folder
	origin  Origin
	started train.Started
	now     func() time.Time
}

// OpenLog opens the record for appending. A line that a crash cut short is
// ended, so that the next one stands alone.
func OpenLog(f Folder, origin Origin) (*Log, error) {
	file, err := os.OpenFile(f.LogPath(), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o666)
	if err != nil {
		return nil, readOnly(f, err)
	}
	if err := endLine(file); err != nil {
		_ = file.Close()
		return nil, readOnly(f, err)
	}
	return &Log{file: file, folder: f, origin: origin, now: time.Now}, nil
}

// endLine ends the file's last line where it has no end.
func endLine(f *os.File) error {
	last := make([]byte, 1)
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return err
	}
	if _, err := f.ReadAt(last, end-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.Write([]byte("\n"))
	return err
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }

// Observe writes the event's line.
func (l *Log) Observe(_ context.Context, e train.Event) error {
	line := l.line(e)
	if line == nil {
		return nil
	}
	return appendLine(l.file, line)
}

// Append adds a line to a run's log, beside the process that may train it: a
// line is written in one piece.
func Append(f Folder, line any) error {
	l, err := OpenLog(f, Origin{})
	if err != nil {
		return err
	}
	defer l.Close()
	return appendLine(l.file, line)
}

// appendLine writes a line in one call, so that lines of several processes do
// not mix.
func appendLine(file *os.File, line any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // people search it for "fid < 4"
	if err := e.Encode(line); err != nil {
		return fmt.Errorf("log %T: %w", line, err)
	}
	if _, err := file.Write(b.Bytes()); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

// End writes how the attempt ended, at a step.
func (l *Log) End(step int, reason Status, cause error) error {
	line := EndLine{Event: "end", Time: Timestamp(l.now()), Step: step, Reason: reason}
	if cause != nil {
		line.Error = cause.Error()
	}
	return appendLine(l.file, line)
}

// Timestamp is a time as the log has it: RFC 3339, UTC.
func Timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// line is what stands in the log for an event; nil is nothing.
func (l *Log) line(e train.Event) any {
	now := Timestamp(l.now())
	switch e := e.(type) {
	case train.Started:
		l.started = e
		return StartLine{"start", now, Format, e.Step, e.Total, e.StepsPerEpoch, e.Parameters, e.TrainImages, e.ValidImages, e.Workers, l.origin}
	case train.Step:
		return StepLine{
			"step", e.Step, e.Epoch, e.Loss, e.LR, e.GradNorm, speed(e),
			l.seen(e), l.now().UnixMilli(), machine.RSS(),
		}
	case train.NonFinite:
		return NonFiniteLine{"non_finite", e.Step, e.Epoch, e.What, e.Layer, e.InRow, e.Count}
	case train.Epoch:
		line := EpochLine{
			Event: "epoch", Time: now, Epoch: e.Epoch, Step: e.Step, TrainLoss: finite(e.TrainLoss), ValidLoss: finite(e.ValidLoss),
			Best: e.Best, Seconds: e.Seconds, Confusion: e.Confusion,
		}
		if e.Confusion != nil {
			line.Accuracy = finite(e.Confusion.Accuracy())
		}
		if e.AverageOn {
			line.ValidEMA = finite(e.ValidEMA)
		}
		return line
	case train.Saved:
		return SavedLine{"checkpoint", now, e.Step, e.Best}
	case GridDrawn:
		path, err := filepath.Rel(l.folder.Dir, e.Path)
		if err != nil {
			path = e.Path
		}
		return GridLine{"grid", now, e.Epoch, e.Step, filepath.ToSlash(path), e.Panels}
	case Scored:
		return ScoreLine{
			Event: "score", Time: now, Epoch: e.Epoch, Step: e.Step, Weights: e.Weights,
			Sampler: e.Sampler, NetCalls: e.NetCalls, Seconds: e.Seconds, Score: *e.Score,
		}
	case GridFailed:
		return FailedLine{"grid_failed", now, e.Epoch, e.Step, e.Err.Error()}
	case ScoreFailed:
		return FailedLine{"score_failed", now, e.Epoch, e.Step, e.Err.Error()}
	case Alert:
		return AlertLine{Event: "alert", Time: now, Step: e.Step, Rule: e.Rule, Value: e.Value}
	case Undelivered:
		return AlertLine{"alert", now, e.Step, e.Rule, e.Value, e.To + ": " + e.Err.Error()}
	}
	return nil
}

// speed is a step's images a second; 0 where the clock is too coarse to tell, for
// JSON has no infinity.
func speed(s train.Step) float64 {
	if s.Seconds <= 0 {
		return 0
	}
	return float64(s.Images) / s.Seconds
}

// seen is how many images the run has seen after a step: the last batch of an
// epoch may be smaller than the others.
func (l *Log) seen(s train.Step) int {
	before := (s.Epoch - 1) * l.started.TrainImages
	position := s.Step - (s.Epoch-1)*l.started.StepsPerEpoch
	if position == l.started.StepsPerEpoch {
		return before + l.started.TrainImages
	}
	return before + position*s.Images
}

// finite is x, or nil where JSON has no number for it.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
