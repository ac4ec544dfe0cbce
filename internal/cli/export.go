package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// ExportOptions are the options of diffuse export.
type ExportOptions struct {
	IO         *IO
	Global     *Global
	Given      string // run or file; empty is the newest run that draws
	Checkpoint string
	Raw        bool
	Precision  string
	AwayFrom   string // run or file; empty is none
	By         float64
	Moved      bool // --by was given
	Out        string
}

// ExportResult is what diffuse export wrote.
type ExportResult struct {
	Out       string  `json:"out"`
	From      string  `json:"from"`
	Weights   string  `json:"weights"` // "raw" or "ema"
	AwayFrom  string  `json:"away_from,omitempty"`
	By        float64 `json:"by,omitempty"`
	Precision string  `json:"precision"`
	Bytes     int64   `json:"bytes"`
}

// NewExport is `diffuse export`.
func NewExport(stdio *IO, g *Global) *cobra.Command {
	o := &ExportOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "export [RUN|FILE]",
		Short: "Write a run's weights to one small file",
		Long: help(`Write the weights of a run's checkpoint to one safetensors file, under the names
and in the layout of diffusers: the moving average where there is one. In bf16
they take half the room. The file draws and scores as a run does: diffuse sample
FILE, diffuse fid --extractor FILE.

--away-from another net moves each weight w by W·(w − the other's): what the net
becomes when it is trained on its own images is a direction to leave (Neon;
docs/samplers.md). A W below 0 moves towards the other: -0.5 is their average.`, fault.Checkpoint),
		Example: `  diffuse export clothes --out clothes.safetensors
  diffuse export clothes --away-from inbred --by 0.2 --out better.safetensors
  diffuse export classifier --precision bf16 --out fashion-resnet.safetensors`,
		Args:              arguments("a RUN or FILE", 0, 1),
		ValidArgsFunction: completeNets(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Given, o.Moved = given(args), cmd.Flags().Changed("by")
			return exportRun(o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Checkpoint, "checkpoint", train.Last, "which of the run's checkpoints")
	f.BoolVar(&o.Raw, "raw", false, "the weights themselves, not their moving average")
	f.StringVar(&o.Precision, "precision", string(kernel.FP32), "fp32, or bf16 to round to half the size")
	f.StringVar(&o.AwayFrom, "away-from", "", "move the weights away from those of this `RUN` or file")
	f.Float64Var(&o.By, "by", 1, "how far, in distances from the other net: `W`")
	f.StringVarP(&o.Out, "out", "o", "", "the `file` to write")
	must(cmd.MarkFlagRequired("out"))
	completePrecision(cmd)
	completeCheckpoint(cmd)
	return cmd
}

func exportRun(o *ExportOptions) error {
	if err := checkPrecision("--precision", o.Precision); err != nil {
		return err
	}
	_, c, err := openNet(o.Global, o.Given, o.Checkpoint)
	if err != nil {
		return err
	}
	if f, err := run.Find("", filepath.Dir(o.Out)); err == nil {
		return fault.New(fault.Usage, "diffuse export --out "+filepath.Base(o.Out), "--out: %s is a run's folder, which holds its own checkpoints", f.Dir)
	}
	e := train.Export{Average: !o.Raw && c.AveragePath != "", BF16: o.Precision == string(kernel.BF16), By: o.By}
	r := ExportResult{Out: o.Out, From: c.Path, Weights: "raw", Precision: o.Precision}
	if e.Average || c.Embedded() {
		r.Weights = "ema"
	}
	if e.Away, err = o.away(); err != nil {
		return err
	}
	if e.Away != nil {
		r.AwayFrom, r.By = e.Away.Path, o.By
	}
	if err := c.Export(o.Out, e); err != nil {
		return err
	}
	info, err := os.Stat(o.Out)
	if err != nil {
		return err
	}
	r.Bytes = info.Size()
	return o.print(r)
}

// away is the net to move away from, nil where none is named.
func (o *ExportOptions) away() (*train.Checkpoint, error) {
	switch {
	case o.AwayFrom == "" && o.Moved:
		return nil, fault.New(fault.Usage, "name the other net by --away-from", "--by: there is nothing to move away from")
	case o.AwayFrom == "":
		return nil, nil
	case math.IsNaN(o.By) || math.IsInf(o.By, 0):
		return nil, fault.New(fault.Usage, "", "--by: must be a finite number, got %v", o.By)
	}
	_, c, err := openNet(o.Global, o.AwayFrom, train.Last)
	return c, err
}

func (o *ExportOptions) print(r ExportResult) error {
	if o.Global.JSON {
		return o.IO.PrintJSON(r)
	}
	away := ""
	if r.AwayFrom != "" {
		away = fmt.Sprintf(", away from %s by %g", r.AwayFrom, r.By)
	}
	_, err := fmt.Fprintf(o.IO.Out, "%s: %s weights of %s%s in %s, %s\n", r.Out, r.Weights, r.From, away, r.Precision, byteSize(r.Bytes))
	return err
}
