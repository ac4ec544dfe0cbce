package cli

import (
	"context"

	"github.com/spf13/cobra"

	"diffuse/internal/index"
)

// NewRuns is `diffuse runs`: what is known of the runs in a folder.
func NewRuns(stdio *IO, g *Global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List, compare and keep the runs in order",
		Long: help(`Ask what runs there are and what is known of them, compare them, and keep them
in order. A run is a folder that explains itself; nothing is known of it that
does not stand there.`),
		Example: `  diffuse runs list --filter "fid < 4" --sort fid
  diffuse runs show clothes
  diffuse runs diff clothes clothes-cosine
  diffuse runs tag clothes good
  diffuse runs sql "select run, min(loss) from steps group by run"`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		NewRunsList(stdio, g), NewRunsShow(stdio, g), NewRunsDiff(stdio, g), NewRunsTag(stdio, g), NewRunsNote(stdio, g),
		NewRunsRename(stdio, g), NewRunsRemove(stdio, g), NewRunsSQL(stdio, g), NewRunsReindex(stdio, g), NewRunsExport(stdio, g),
	)
	return cmd
}

// openIndex is the index of the runs, up to date. What is odd about it is logged.
func openIndex(ctx context.Context, g *Global) (*index.Index, error) {
	x, err := index.Open(ctx, g.Runs)
	if err != nil {
		return nil, err
	}
	changes, err := x.Refresh(ctx)
	logIndex(g, x, changes)
	if err != nil {
		_ = x.Close() // the error tells more
		return nil, err
	}
	return x, nil
}

// logIndex warns of what a reading of the runs met.
func logIndex(g *Global, x *index.Index, changes index.Changes) {
	for _, warning := range x.Warnings() {
		g.Log.Warn(warning)
	}
	if changes.Busy {
		g.Log.Warn("another process is reading the runs; what it has not read yet is missing here")
	}
}
