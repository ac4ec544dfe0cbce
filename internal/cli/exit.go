package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"diffuse/internal/fault"
)

// Execute runs the program and returns its exit code. The first Ctrl-C cancels
// the command's context; a second one kills the process as it would any other.
func Execute(stdio *IO, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	g := &Global{}
	out := &checkedWriter{Writer: stdio.Out}
	checked := *stdio
	checked.Out = out
	root := newRoot(&checked, g)
	root.SetArgs(args)
	running := false
	onRun(root, func() { running = true })
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = out.err
	}
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		err = asInterrupted(err)
	}
	// What fails before a command runs is how it was called: an argument too
	// many, a required flag, two flags that exclude each other.
	if _, known := errors.AsType[*fault.Error](err); !running && !known {
		err = fault.New(fault.Usage, cmd.CommandPath()+" --help", "%w", err)
	}
	printError(stdio, err, g.JSON || asksForJSON(args))
	return fault.Code(err)
}

// checkedWriter remembers that a result could not be written: a disk that is
// full must not pass for success, whichever Fprintf met it.
type checkedWriter struct {
	io.Writer
	err error
}

func (w *checkedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = fault.New(fault.Failure, "", "write the results: %w", err)
		w.err = err
	}
	return n, err
}

// asInterrupted gives an error that Ctrl-C caused the exit code of one, whatever
// the operation that it interrupted calls it.
func asInterrupted(err error) error {
	if errors.Is(err, context.Canceled) && fault.Code(err) != int(fault.Interrupted) {
		return fault.New(fault.Interrupted, fault.Hint(err), "interrupted: %w", err)
	}
	return err
}

// asksForJSON looks for --json where the flags could not be parsed.
func asksForJSON(args []string) bool {
	for _, a := range args {
		if a == "--" {
			return false
		}
		if a == "--json" || a == "--json=true" {
			return true
		}
	}
	return false
}

// onRun calls entered when a command's own RunE begins.
func onRun(cmd *cobra.Command, entered func()) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			entered()
			return run(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		onRun(c, entered)
	}
}

// printError writes "diffuse: ..." and, where there is one, "hint: ...".
func printError(stdio *IO, err error, asJSON bool) {
	hint := fault.Hint(err)
	if hint == "" && errors.Is(err, syscall.ENOSPC) {
		hint = "make room on the disk and try again; what was there before is whole"
	}
	if asJSON {
		text, jsonErr := json.Marshal(struct {
			Error string `json:"error"`
			Hint  string `json:"hint"`
			Code  int    `json:"code"`
		}{err.Error(), hint, fault.Code(err)})
		must(jsonErr) // strings and an int
		fmt.Fprintf(stdio.Err, "%s\n", text)
		return
	}
	fmt.Fprintf(stdio.Err, "diffuse: %v\n", err)
	if hint != "" {
		fmt.Fprintf(stdio.Err, "hint: %s\n", hint)
	}
}
