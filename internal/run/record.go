package run

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"diffuse/internal/fault"
)

// Record is what a run's folder says of it: each step, epoch and picture once,
// as the last attempt went.
type Record struct {
	Folder
	Starts  []StartLine // the beginning, and each resumption
	Steps   []StepLine
	Epochs  []EpochLine
	Scores  []ScoreLine
	Grids   []GridLine
	Skipped []NonFiniteLine
	Alerts  []AlertLine
	Tags    []string
	Note    string
	End     *EndLine // of the last attempt; nil while it runs, and where it was killed
	Status  Status
	Damaged int // lines that could not be read
}

// Start is the last attempt's start line; a zero one before the first.
func (r *Record) Start() StartLine {
	if len(r.Starts) == 0 {
		return StartLine{}
	}
	return r.Starts[len(r.Starts)-1]
}

// ReadRecord reads a run's log. Lines that are cut short are counted: a crash
// leaves them. A folder without a log has an empty record. Errors are of kind
// fault.Failure, and ErrNewer for the log of a newer version.
func ReadRecord(f Folder) (*Record, error) {
	r := &Record{Folder: f}
	locked := f.Locked() // before its end is read: a run that ends meanwhile has not crashed
	file, err := os.Open(f.LogPath())
	if errors.Is(err, fs.ErrNotExist) {
		r.stand(locked)
		return r, nil
	}
	if err != nil {
		return nil, fault.New(fault.Failure, "", "read run %s: %w", f.Name, err)
	}
	defer file.Close()
	lines := NewLines(file)
	for lines.Next() {
		if err := r.add(lines.Line()); err != nil {
			return nil, fault.New(fault.Failure, "update diffuse", "%s: %w", f.LogPath(), err)
		}
	}
	r.Damaged += lines.Damaged
	if err := lines.Err(); err != nil {
		return nil, fault.New(fault.Failure, "", "read run %s: %w", f.Name, err)
	}
	r.stand(locked)
	return r, nil
}

// stand sets how the run stands, from its record and whether its lock is held.
func (r *Record) stand(locked bool) {
	r.Status = r.status()
	if locked {
		r.Status = Running
	}
}

// add takes one line of the log.
func (r *Record) add(l Line) error {
	switch l.Event {
	case "start":
		var s StartLine
		if !r.read(l, &s) {
			return nil
		}
		if s.Format > Format {
			return Newer(s.Format)
		}
		r.Starts, r.End = append(r.Starts, s), nil
		r.rewind(s.Step)
	case "step":
		if s, err := l.StepLine(); err == nil {
			r.Steps = append(r.Steps, s)
		} else {
			r.Damaged++
		}
	case "non_finite":
		appendTo(r, &r.Skipped, l)
	case "epoch":
		r.Epochs = slices.DeleteFunc(r.Epochs, func(e EpochLine) bool { return e.Step == l.Step }) // validated again after a stop
		appendTo(r, &r.Epochs, l)
	case "grid":
		appendTo(r, &r.Grids, l)
	case "score":
		appendTo(r, &r.Scores, l)
	case "alert":
		appendTo(r, &r.Alerts, l)
	case "end":
		var e EndLine
		if r.read(l, &e) {
			r.End = &e
		}
	case "tag":
		var t TagLine
		if r.read(l, &t) {
			r.Tags = Retag(r.Tags, t)
		}
	case "note":
		var n NoteLine
		if r.read(l, &n) {
			r.Note = n.Text
		}
	}
	return nil
}

// read decodes a line, or counts it as damaged.
func (r *Record) read(l Line, v any) bool {
	err := json.Unmarshal(l.Text, v)
	if err != nil {
		r.Damaged++
	}
	return err == nil
}

// appendTo adds a line to those of its kind.
func appendTo[T any](r *Record, all *[]T, l Line) {
	var v T
	if r.read(l, &v) {
		*all = append(*all, v)
	}
}

// rewind forgets what was logged after the checkpoint that an attempt resumed
// from: it is done anew.
func (r *Record) rewind(step int) {
	r.Steps = slices.DeleteFunc(r.Steps, func(l StepLine) bool { return l.Step > step })
	r.Skipped = slices.DeleteFunc(r.Skipped, func(l NonFiniteLine) bool { return l.Step > step })
	r.Epochs = slices.DeleteFunc(r.Epochs, func(l EpochLine) bool { return l.Step > step })
	r.Scores = slices.DeleteFunc(r.Scores, func(l ScoreLine) bool { return l.Step > step })
	r.Grids = slices.DeleteFunc(r.Grids, func(l GridLine) bool { return l.Step > step })
}

// Newer is the error of a log of a format that this program does not read.
func Newer(format int) error {
	return fmt.Errorf("%w: its log has format %d, this program reads up to %d", ErrNewer, format, Format)
}

// Retag is a run's sorted tags after a line.
func Retag(tags []string, l TagLine) []string {
	tags = append(slices.Clone(tags), l.Add...)
	tags = slices.DeleteFunc(tags, func(t string) bool { return slices.Contains(l.Remove, t) })
	slices.Sort(tags)
	return slices.Compact(tags)
}

// Line is one whole line of a log.
type Line struct {
	Offset int64 // of its first byte in the file
	Event  string
	Step   int    // 0 where it has none
	Text   []byte // JSON, without the newline; the next line overwrites it

	step   StepLine // read already, where isStep
	isStep bool
}

// StepLine reads the line of a step.
func (l *Line) StepLine() (StepLine, error) {
	if l.isStep {
		return l.step, nil
	}
	var s StepLine
	err := json.Unmarshal(l.Text, &s)
	return s, err
}

// Lines reads a log's whole lines, one after the other. What is cut short is
// counted and passed over; a last line without its end is left for later.
type Lines struct {
	Damaged int
	Offset  int64 // of the first byte not read yet: where to go on later

	r    *bufio.Reader
	line Line
	long []byte // a line longer than the reader's buffer
	err  error
}

// NewLines reads from r. To go on in a file, seek to the offset and set Offset.
func NewLines(r io.Reader) *Lines { return &Lines{r: bufio.NewReaderSize(r, 1<<16)} }

// maxLine bounds the length of a log's line; ours have a few kilobytes at most.
const maxLine = 1 << 20

// Next reads the next line that is whole and JSON with an event.
func (l *Lines) Next() bool {
	for {
		text, ok := l.read()
		if !ok {
			return false
		}
		l.line = Line{Offset: l.Offset, Text: text[:len(text)-1]}
		l.Offset += int64(len(text))
		var kind struct {
			Event string `json:"event"`
			Step  int    `json:"step"`
		}
		if len(l.line.Text) == 0 {
			continue
		}
		if l.line.step, l.line.isStep = parseStep(l.line.Text); l.line.isStep {
			l.line.Event, l.line.Step = "step", l.line.step.Step
			return true
		}
		if json.Unmarshal(l.line.Text, &kind) != nil || kind.Event == "" {
			l.Damaged++
			continue
		}
		l.line.Event, l.line.Step = kind.Event, kind.Step
		return true
	}
}

// Line is the line that Next read.
func (l *Lines) Line() Line { return l.line }

// Err is the error that ended the reading, nil at the end of the file.
func (l *Lines) Err() error { return l.err }

// read is the next line with its newline.
func (l *Lines) read() ([]byte, bool) {
	text, err := l.r.ReadSlice('\n')
	l.long = l.long[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long, text...)
		if len(l.long) > maxLine {
			l.err = fmt.Errorf("the line at byte %d has more than %d bytes", l.Offset, maxLine)
			return nil, false
		}
		text, err = l.r.ReadSlice('\n')
	}
	if len(l.long) > 0 {
		l.long = append(l.long, text...)
		text = l.long
	}
	if err != nil {
		if !errors.Is(err, io.EOF) {
			l.err = err
		}
		return nil, false
	}
	return text, true
}
