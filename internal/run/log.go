package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"diffuse/internal/train"
)

// Log appends what happens to a run's log.jsonl. It is a train.Observer.
type Log struct {
	file    *os.File
	folder  Folder
	machine Machine
	now     func() time.Time
}

// OpenLog opens the record for appending. A line that a crash cut short is
// ended, so that the next one stands alone.
func OpenLog(f Folder, m Machine) (*Log, error) {
	file, err := os.OpenFile(f.LogPath(), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o666)
	if err != nil {
		return nil, readOnly(f, err)
	}
	if err := endLine(file); err != nil {
		_ = file.Close()
		return nil, readOnly(f, err)
	}
	return &Log{file: file, folder: f, machine: m, now: time.Now}, nil
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
	b, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("log %T: %w", e, err)
	}
	if _, err := l.file.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

// line is what stands in the log for an event; nil is nothing.
func (l *Log) line(e train.Event) any {
	now := l.now().UTC().Format(time.RFC3339)
	switch e := e.(type) {
	case train.Started:
		return StartLine{"start", now, e.Step, e.Total, e.StepsPerEpoch, e.Parameters, e.TrainImages, e.ValidImages, e.Workers, l.machine}
	case train.Step:
		return StepLine{"step", e.Step, e.Epoch, e.Loss, e.LR, e.GradNorm, float64(e.Images) / e.Seconds}
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
		return SavedLine{"checkpoint", e.Step, e.Best}
	case GridDrawn:
		path, err := filepath.Rel(l.folder.Dir, e.Path)
		if err != nil {
			path = e.Path
		}
		return GridLine{"grid", e.Epoch, e.Step, filepath.ToSlash(path)}
	case Scored:
		return ScoreLine{"score", e.Epoch, e.Step, e.Weights, e.Seconds, *e.Score}
	case GridFailed:
		return GridFailedLine{"grid_failed", e.Epoch, e.Step, e.Err.Error()}
	}
	return nil
}

// finite is x, or nil where JSON has no number for it.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
