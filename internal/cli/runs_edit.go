package cli

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// NewRunsTag is `diffuse runs tag`.
func NewRunsTag(stdio *IO, g *Global) *cobra.Command {
	var remove []string
	cmd := &cobra.Command{
		Use:   "tag RUN [TAG...]",
		Short: "Tag a run, or print its tags",
		Long: help(`Add tags to a run, and take others away with --remove; without either its tags
are printed. Tags stand in the run's record, and a run may be tagged while it trains.`, fault.Checkpoint),
		Example: `  diffuse runs tag clothes good baseline
  diffuse runs tag clothes --remove baseline
  diffuse runs list --filter 'tag = good'`,
		Args:              arguments("a RUN", 1, 64),
		ValidArgsFunction: completeRuns(g),
		RunE: func(_ *cobra.Command, args []string) error {
			folder, err := run.Find(g.Runs, args[0])
			if err != nil {
				return err
			}
			for _, tag := range slices.Concat(args[1:], remove) {
				if err := checkTag(tag); err != nil {
					return err
				}
			}
			if len(args) > 1 || len(remove) > 0 {
				if err := run.Append(folder, run.TagLine{Event: "tag", Time: run.Timestamp(time.Now()), Add: args[1:], Remove: remove}); err != nil {
					return err
				}
			}
			r, err := run.ReadRecord(folder)
			if err != nil {
				return err
			}
			if g.JSON {
				return stdio.PrintJSON(map[string]any{"run": folder.Name, "tags": slices.Concat([]string{}, r.Tags)})
			}
			fmt.Fprintf(stdio.Out, "%s: %s\n", folder.Name, strings.Join(r.Tags, ", "))
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&remove, "remove", nil, "take a `TAG` away (repeatable)")
	return cmd
}

// checkTag wants a tag that can stand in a filter and a table.
func checkTag(tag string) error {
	if tag == "" || len(tag) > 64 || strings.ContainsAny(tag, " \t\r\n,\"'=<>~") {
		return fault.New(fault.Usage, "diffuse runs tag RUN good", "a tag is a word of at most 64 letters without spaces, commas, quotes and signs of comparison, got %q", tag)
	}
	return nil
}

// NewRunsNote is `diffuse runs note`.
func NewRunsNote(stdio *IO, g *Global) *cobra.Command {
	return &cobra.Command{
		Use:   "note RUN [TEXT]",
		Short: "Write a note on a run, or print it",
		Long: help(`Replace a run's note by a text; "-" reads it from stdin, an empty text takes it
away. Without a text the note is printed.`, fault.Checkpoint),
		Example: `  diffuse runs note clothes "with the cosine schedule; too dark"
  diffuse runs note clothes - < thoughts.txt
  diffuse runs note clothes`,
		Args:              arguments("a RUN and its TEXT", 1, 2),
		ValidArgsFunction: completeRuns(g),
		RunE: func(_ *cobra.Command, args []string) error {
			folder, err := run.Find(g.Runs, args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return printNote(stdio, g, folder)
			}
			text := args[1]
			if text == "-" {
				read, err := io.ReadAll(io.LimitReader(stdio.In, maxNote+1))
				if err != nil {
					return fmt.Errorf("read the note: %w", err)
				}
				text = strings.TrimRight(string(read), "\n")
			}
			if len(text) > maxNote {
				return fault.New(fault.Usage, "keep longer texts in a file of their own", "a note has at most %d bytes", maxNote)
			}
			return run.Append(folder, run.NoteLine{Event: "note", Time: run.Timestamp(time.Now()), Text: text})
		},
	}
}

// maxNote bounds a note, bytes: it is a line of the log.
const maxNote = 64 << 10

func printNote(stdio *IO, g *Global, folder run.Folder) error {
	r, err := run.ReadRecord(folder)
	if err != nil {
		return err
	}
	if g.JSON {
		return stdio.PrintJSON(map[string]string{"run": folder.Name, "note": r.Note})
	}
	_, err = fmt.Fprintln(stdio.Out, r.Note)
	return err
}

// NewRunsRename is `diffuse runs rename`.
func NewRunsRename(stdio *IO, g *Global) *cobra.Command {
	return &cobra.Command{
		Use:               "rename RUN NAME",
		Short:             "Give a run another name",
		Long:              help(`Rename a run, which is its folder. A run that trains cannot be renamed.`, fault.Checkpoint),
		Example:           `  diffuse runs rename quick-calm-otter baseline`,
		Args:              arguments("a RUN and its new NAME", 2, 2),
		ValidArgsFunction: completeRuns(g),
		RunE: func(_ *cobra.Command, args []string) error {
			folder, err := run.Find(g.Runs, args[0])
			if err != nil {
				return err
			}
			renamed, err := folder.Rename(args[1])
			if err != nil {
				return err
			}
			if g.JSON {
				return stdio.PrintJSON(map[string]string{"run": renamed.Name, "dir": renamed.Dir})
			}
			_, err = fmt.Fprintf(stdio.Out, "%s is %s now\n", folder.Name, renamed.Name)
			return err
		},
	}
}

// NewRunsRemove is `diffuse runs rm`.
func NewRunsRemove(stdio *IO, g *Global) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "rm RUN...",
		Short: "Delete runs",
		Long: help(`Delete runs with all that lies in their folders: checkpoints, samples, record.
On a terminal it asks first; elsewhere it wants --yes. A run that trains is not deleted.`, fault.Checkpoint),
		Example: `  diffuse runs rm quick-calm-otter
  diffuse runs rm try-1 try-2 --yes`,
		Args:              arguments("a RUN", 1, 1000),
		ValidArgsFunction: completeRuns(g),
		RunE: func(_ *cobra.Command, args []string) error {
			var folders []run.Folder
			for _, name := range args { // all of them, before any is gone
				folder, err := run.Find(g.Runs, name)
				if err != nil {
					return err
				}
				folders = append(folders, folder)
			}
			if err := confirmRemoval(stdio, folders, yes); err != nil {
				return err
			}
			for _, folder := range folders {
				if err := folder.Remove(); err != nil {
					return err
				}
				if !g.JSON {
					fmt.Fprintf(stdio.Out, "deleted %s\n", folder.Dir)
				}
			}
			if g.JSON {
				return stdio.PrintJSON(map[string][]string{"deleted": args})
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// confirmRemoval asks on a terminal whether the runs may go.
func confirmRemoval(stdio *IO, folders []run.Folder, yes bool) error {
	if yes {
		return nil
	}
	var dirs []string
	for _, f := range folders {
		dirs = append(dirs, f.Dir)
	}
	what := strings.Join(dirs, ", ")
	if !stdio.InIsTerminal {
		return fault.New(fault.Usage, "diffuse runs rm --yes", "nobody can be asked whether to delete %s", what)
	}
	fmt.Fprintf(stdio.Err, "delete %s with all checkpoints and samples? [y/N] ", what)
	answer, err := bufio.NewReader(stdio.In).ReadString('\n')
	if err != nil && answer == "" {
		return fault.New(fault.Usage, "", "no answer: nothing was deleted")
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return fault.New(fault.Usage, "", "nothing was deleted")
	}
	return nil
}
