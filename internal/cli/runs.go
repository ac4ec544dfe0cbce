package cli

import "github.com/spf13/cobra"

// NewRuns is `diffuse runs`: what is known of the runs in a folder.
func NewRuns(stdio *IO, g *Global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List, compare and keep the runs in order",
		Long: help(`Ask what runs there are and what is known of them, compare them, and keep them
in order. A run is a folder that explains itself; nothing is known of it that
does not stand there.`),
		Example: `  diffuse runs show clothes
  diffuse runs diff clothes clothes-cosine
  diffuse runs tag clothes good`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(NewRunsShow(stdio, g), NewRunsDiff(stdio, g), NewRunsExport(stdio, g), NewRunsTag(stdio, g), NewRunsNote(stdio, g), NewRunsRename(stdio, g), NewRunsRemove(stdio, g))
	return cmd
}
