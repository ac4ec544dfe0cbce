package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"

	"golang.org/x/term"
)

// IO is everything a command reads and writes besides files, so that a test
// runs a command without a process. Results go to Out; logs, progress and
// errors go to Err.
type IO struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	InIsTerminal  bool
	OutIsTerminal bool
	ErrIsTerminal bool

	Env []string // NAME=value, as os.Environ returns them
}

// System is the process's own input and output.
func System() *IO {
	terminal := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	return &IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InIsTerminal: terminal(os.Stdin), OutIsTerminal: terminal(os.Stdout), ErrIsTerminal: terminal(os.Stderr),
		Env: os.Environ(),
	}
}

// Test is an IO of buffers: no terminal, no variables.
func Test() (stdio *IO, in, out, errOut *bytes.Buffer) {
	in, out, errOut = new(bytes.Buffer), new(bytes.Buffer), new(bytes.Buffer)
	return &IO{In: in, Out: out, Err: errOut}, in, out, errOut
}

// PrintJSON writes v to Out, indented.
func (s *IO) PrintJSON(v any) error {
	e := json.NewEncoder(s.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
