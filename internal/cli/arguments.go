package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"diffuse/internal/fault"
	"diffuse/internal/nearest"
)

// noArguments refuses what stands behind a command without a flag; meant is the
// flag that it was perhaps meant for.
func noArguments(meant string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := cmd.CommandPath() + " --help"
		if meant != "" {
			hint = cmd.CommandPath() + " " + meant + " " + shellWord(args[0])
		}
		return fault.New(fault.Usage, hint, "%s takes no argument, got %q", inWord(cmd), args[0])
	}
}

// arguments wants from least to most of what a command works on.
func arguments(what string, least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := cmd.CommandPath() + " --help"
		switch n := len(args); {
		case n < least:
			return fault.New(fault.Usage, hint, "%s needs %s", inWord(cmd), what)
		case n > most:
			return fault.New(fault.Usage, hint, "%s takes one argument, %s; got also %q", inWord(cmd), what, args[most])
		}
		return nil
	}
}

// inWord is a command without the program's name: "data show".
func inWord(cmd *cobra.Command) string { return strings.TrimPrefix(cmd.CommandPath(), "diffuse ") }

// checkExclusive refuses flags that MarkFlagsMutuallyExclusive set apart, in
// words that cobra does not find.
func checkExclusive(cmd *cobra.Command) error {
	const annotation = "cobra_annotation_mutually_exclusive" // groups of names, each in one string
	given := map[string]string{}                             // the first flag of a group
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		for _, group := range f.Annotations[annotation] {
			if first, ok := given[group]; ok && err == nil {
				err = fault.New(fault.Usage, cmd.CommandPath()+" --help", "--%s and --%s exclude each other", first, f.Name)
			}
			given[group] = f.Name
		}
	})
	return err
}

// flagError turns pflag's errors into usage errors: with the nearest flag, or
// with what the flag takes.
func flagError(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help"
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fault.New(fault.Usage, hint, "--%s: must be %s, got %q", wrong.GetFlag().Name, wanted(wrong), wrong.GetValue())
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedShortnames() != "" {
		return fault.New(fault.Usage, hint, "%w", err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	name := unknown.GetSpecifiedName()
	return fault.New(fault.Usage, hint, "unknown flag --%s%s", name, didYouMean("--", nearest.Name(name, names)))
}

// wanted says what a flag takes.
func wanted(e *pflag.InvalidValueError) string {
	switch kind := e.GetFlag().Value.Type(); {
	case errors.Is(e, strconv.ErrRange):
		return "a number of at most 64 bits"
	case slices.Contains([]string{"int", "int64"}, kind):
		return "a whole number"
	case kind == "float64":
		return "a number"
	case kind == "bool":
		return "true or false"
	default:
		return "a " + kind
	}
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

// shellWord quotes a word for a command that is printed to be pasted.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_@%+=:,./-", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return fmt.Sprintf("'%s'", strings.ReplaceAll(word, "'", `'\''`))
}
