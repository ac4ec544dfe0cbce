package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"diffuse/internal/fault"
	"diffuse/internal/nearest"
)

// Execute runs the program and returns its exit code. The first Ctrl-C cancels
// the command's context; a second one kills the process as it would any other.
func Execute(stdio *IO, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	g := &Global{}
	root := newRoot(stdio, g)
	root.SetArgs(args)
	running := false
	onRun(root, func() { running = true })
	cmd, err := root.ExecuteContextC(ctx)
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

// flagError turns pflag's errors into usage errors, with the nearest flag.
func flagError(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help"
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedShortnames() != "" {
		return fault.New(fault.Usage, hint, "%w", err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	name := unknown.GetSpecifiedName()
	return fault.New(fault.Usage, hint, "unknown flag --%s%s", name, didYouMean("--", nearest.Name(name, names)))
}

// unknownCommand is the Args of a command that only has subcommands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return fault.New(fault.Usage, cmd.CommandPath()+" --help", "unknown command %q%s",
		strings.TrimPrefix(cmd.CommandPath()+" "+args[0], "diffuse "), didYouMean("", nearest.Name(args[0], names)))
}

func didYouMean(prefix, name string) string {
	if name == "" {
		return ""
	}
	return ", did you mean " + prefix + name + "?"
}
