package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"diffuse/internal/export"
	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// RunsExportOptions are the options of diffuse runs export.
type RunsExportOptions struct {
	IO         *IO
	Global     *Global
	To         string
	Out        string
	URI        string // of MLflow's server
	Experiment string
}

// exportForms are what runs are exported to.
var exportForms = []string{"tensorboard", "csv", "parquet", "mlflow"}

// NewRunsExport is `diffuse runs export`.
func NewRunsExport(stdio *IO, g *Global) *cobra.Command {
	o := &RunsExportOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "export [RUN...]",
		Short: "Write runs' records for TensorBoard, MLflow, CSV or Parquet",
		Long: help(`Write the records of runs in a form that another program reads; without a RUN,
those of all runs.

  tensorboard  OUT/RUN/events.out.tfevents.*: curves, grids, and the config in the
               HPARAMS tab. W&B (wandb sync) and Aim read these files too
  csv          OUT/steps.csv, epochs.csv, scores.csv, config.csv, each with a column
               run; what is not known is empty
  parquet      the same tables with types
  mlflow       to the server at --uri: parameters, metrics, tags and, where the
               server takes them, grids. What is there already is brought up to date.
               MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD, log in

docs/export.md says what goes where.`, fault.Checkpoint),
		Example: `  diffuse runs export --to tensorboard --out board   # then tensorboard --logdir board
  diffuse runs export clothes --to csv --out tables
  diffuse runs export clothes --to mlflow --uri http://localhost:5000`,
		Args:              arguments("a RUN", 0, 10000),
		ValidArgsFunction: completeRuns(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runsExportRun(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.To, "to", "", "tensorboard, csv, parquet or mlflow")
	f.StringVarP(&o.Out, "out", "o", "exported", "the `folder` to write to")
	f.StringVar(&o.URI, "uri", g.lookup("MLFLOW_TRACKING_URI"), "address of MLflow's server (variable MLFLOW_TRACKING_URI)")
	f.StringVar(&o.Experiment, "experiment", "diffuse", "MLflow's experiment (made where there is none)")
	must(cmd.MarkFlagRequired("to"))
	complete(cmd, "to", exportForms...)
	completeFolders(cmd, "out")
	return cmd
}

// RunsExportResult is what was written.
type RunsExportResult struct {
	To      string   `json:"to"`
	Files   []string `json:"files,omitempty"` // or pages
	Runs    []string `json:"runs"`
	Missing []string `json:"missing_grids,omitempty"` // that could not be read
}

func runsExportRun(ctx context.Context, o *RunsExportOptions, names []string) error {
	if !slices.Contains(exportForms, o.To) {
		return fault.New(fault.Usage, "diffuse runs export --to csv", "--to: must be one of %s, got %q", strings.Join(exportForms, ", "), o.To)
	}
	runs, err := exportedRuns(o.Global, names)
	if err != nil {
		return err
	}
	r := RunsExportResult{To: o.To}
	for _, one := range runs {
		r.Runs = append(r.Runs, one.Name)
	}
	switch o.To {
	case "tensorboard":
		r.Files, r.Missing, err = export.TensorBoard(o.Out, runs...)
	case "parquet":
		r.Files, err = export.Parquet(o.Out, runs...)
	case "mlflow":
		r.Files, r.Missing, err = o.toMLflow(ctx, runs)
	case "csv":
		r.Files, err = export.CSV(o.Out, runs...)
	}
	if err != nil {
		return err
	}
	for _, path := range r.Missing {
		o.Global.Log.Warn("left out: the grid cannot be read", "grid", path)
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(r)
	}
	for _, f := range r.Files {
		fmt.Fprintln(o.IO.Out, f)
	}
	return nil
}

// toMLflow sends the runs to a server and returns the addresses of their pages.
func (o *RunsExportOptions) toMLflow(ctx context.Context, runs []export.Run) (pages, missing []string, err error) {
	g := o.Global
	server := &export.MLflow{
		URI: o.URI, Experiment: o.Experiment, Token: g.lookup("MLFLOW_TRACKING_TOKEN"),
		User: g.lookup("MLFLOW_TRACKING_USERNAME"), Password: g.lookup("MLFLOW_TRACKING_PASSWORD"),
	}
	for _, r := range runs {
		g.Log.Info("sending", "run", r.Name, "steps", len(r.Steps))
		page, lost, err := server.Export(ctx, r)
		missing = append(missing, lost...)
		if err != nil {
			return pages, missing, fmt.Errorf("run %s: %w", r.Name, err)
		}
		pages = append(pages, page)
	}
	if server.Unsent > 0 {
		g.Log.Warn("left out: the server stores no artifacts itself", "grids", server.Unsent)
	}
	return pages, missing, nil
}

// exportedRuns are the records of the runs that were named, or of all.
func exportedRuns(g *Global, names []string) ([]export.Run, error) {
	if len(names) == 0 {
		names = run.Names(g.Runs)
	}
	if len(names) == 0 {
		return nil, fault.New(fault.Checkpoint, "diffuse train", "there is no run in %s", g.Runs)
	}
	var runs []export.Run
	for _, name := range names {
		folder, err := run.Find(g.Runs, name)
		if err != nil {
			return nil, err
		}
		r, err := run.ReadRecord(folder)
		if err != nil {
			return nil, err
		}
		runs = append(runs, export.Run{Record: r, Config: runConfig(folder)})
	}
	return runs, nil
}
