package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/fault"
	"diffuse/internal/index"
)

// RunsReindexOptions are the options of diffuse runs reindex.
type RunsReindexOptions struct {
	IO     *IO
	Global *Global
}

// NewRunsReindex is `diffuse runs reindex`.
func NewRunsReindex(stdio *IO, g *Global) *cobra.Command {
	o := &RunsReindexOptions{IO: stdio, Global: g}
	return &cobra.Command{
		Use:   "reindex",
		Short: "Read all runs anew into the index",
		Long: help(`Read all runs anew into the index, `+index.File+` in the folder of runs.

That is needed where a log was edited by hand in its middle, and never else: every
command that asks the index reads first what is new, notices files that were
replaced, and makes a damaged index anew. The index can be deleted at any time.`, fault.Interrupted),
		Example: `  diffuse runs reindex
  diffuse runs reindex --runs /data/runs --json`,
		Args: noArguments("--runs"),
		RunE: func(cmd *cobra.Command, _ []string) error { return runsReindexRun(cmd.Context(), o) },
	}
}

// reindexed is the answer of runs reindex --json.
type reindexed struct {
	Runs    int     `json:"runs"`
	Steps   int64   `json:"steps"`
	Seconds float64 `json:"seconds"`
}

func runsReindexRun(ctx context.Context, o *RunsReindexOptions) error {
	x, err := index.Open(ctx, o.Global.Runs)
	if err != nil {
		return err
	}
	defer x.Close()
	began := time.Now()
	changes, err := x.Reindex(ctx)
	logIndex(o.Global, x, changes)
	if err != nil {
		return err
	}
	if changes.Busy {
		return fault.New(fault.Failure, "try again in a moment", "another process is writing the index")
	}
	steps, err := x.SQL(ctx, "SELECT coalesce(sum(steps), 0) FROM raw_run")
	if err != nil {
		return err
	}
	r := reindexed{len(changes.Changed), steps.Rows[0][0].(int64), round(time.Since(began).Seconds(), 3)}
	if o.Global.JSON {
		return o.IO.PrintJSON(r)
	}
	_, err = fmt.Fprintf(o.IO.Out, "read %d runs with %s steps anew in %.1f s\n", r.Runs, thousands(int(r.Steps)), r.Seconds)
	return err
}
