// Package fault gives an error its exit code and the next command to type.
package fault

import (
	"errors"
	"fmt"
)

// Kind is the class of an error; its number is the process's exit code.
type Kind int

// The exit codes that every command's help documents.
const (
	Failure     Kind = 1   // something broke while working: disk, memory, an op
	Usage       Kind = 2   // a flag, variable, key or value is wrong; nothing was written
	Data        Kind = 3   // a data set is missing or damaged
	Checkpoint  Kind = 4   // a checkpoint is missing, damaged or of another net
	Diverged    Kind = 5   // training met non-finite numbers several steps in a row
	Missed      Kind = 6   // the run ended without meeting the condition of --until
	Interrupted Kind = 130 // Ctrl-C; the state was saved
)

// Error is an error with its kind and a hint, which may be empty.
type Error struct {
	Kind Kind
	Hint string
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of a kind; hint says what to type next, or is empty.
func New(kind Kind, hint, format string, args ...any) error {
	return &Error{kind, hint, fmt.Errorf(format, args...)}
}

// Code is the exit code for err: 0 for nil, 1 where nothing else is known.
func Code(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return int(e.Kind)
	}
	return int(Failure)
}

// Hint is the hint of the outermost error in err's chain that has one.
func Hint(err error) string {
	for e, ok := errors.AsType[*Error](err); ok; e, ok = errors.AsType[*Error](e.Err) {
		if e.Hint != "" {
			return e.Hint
		}
	}
	return ""
}
