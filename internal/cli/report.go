package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/atomicfile"
	"diffuse/internal/fault"
	"diffuse/internal/report"
	"diffuse/internal/run"
)

// NewReport is `diffuse report`.
func NewReport(stdio *IO, g *Global) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report [RUN...]",
		Short: "Make one HTML file of runs, to send",
		Long: help(`Write one HTML file of runs that needs no other: what they are and where they
come from, their curves in one chart each, grids, scores with their terms, and
the configs with what differs on top. Without a RUN it is of the newest one.`, fault.Checkpoint),
		Example: `  diffuse report clothes
  diffuse report linear cosine --out schedules.html`,
		Args:              arguments("a RUN", 0, 100),
		ValidArgsFunction: completeRuns(g),
		RunE: func(_ *cobra.Command, args []string) error {
			return reportRun(stdio, g, out, args)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write to `FILE`.html (default RUN.html, or report.html of several)")
	return cmd
}

func reportRun(stdio *IO, g *Global, out string, names []string) error {
	if len(names) == 0 {
		latest, err := run.Latest(g.Runs)
		if err != nil {
			return err
		}
		names = []string{latest.Dir}
	}
	var runs []report.Run
	for _, name := range names {
		folder, err := run.Find(g.Runs, name)
		if err != nil {
			return err
		}
		r, err := run.ReadRecord(folder)
		if err != nil {
			return err
		}
		runs = append(runs, report.Run{Record: r, Config: runConfig(folder)})
	}
	switch {
	case out == "" && len(runs) == 1:
		out = runs[0].Name + ".html"
	case out == "":
		out = "report.html"
	case !strings.EqualFold(filepath.Ext(out), ".html"):
		return fault.New(fault.Usage, "", "--out: %s must end in .html", out)
	}
	if err := atomicfile.Write(out, func(w io.Writer) error { return report.Write(w, time.Now(), runs...) }); err != nil {
		return fmt.Errorf("report %s: %w", out, err)
	}
	if g.JSON {
		return stdio.PrintJSON(map[string]string{"out": out})
	}
	_, err := fmt.Fprintln(stdio.Out, out)
	return err
}
