package cli

import (
	"fmt"
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
	Out        string
}

// ExportResult is what diffuse export wrote.
type ExportResult struct {
	Out       string `json:"out"`
	From      string `json:"from"`
	Weights   string `json:"weights"` // "raw" or "ema"
	Precision string `json:"precision"`
	Bytes     int64  `json:"bytes"`
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
FILE, diffuse fid --extractor FILE.`, fault.Checkpoint),
		Example: `  diffuse export clothes --out clothes.safetensors
  diffuse export classifier --precision bf16 --out fashion-resnet.safetensors`,
		Args:              arguments("a RUN or FILE", 0, 1),
		ValidArgsFunction: completeNets(g),
		RunE: func(_ *cobra.Command, args []string) error {
			o.Given = given(args)
			return exportRun(o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Checkpoint, "checkpoint", train.Last, "which of the run's checkpoints")
	f.BoolVar(&o.Raw, "raw", false, "the weights themselves, not their moving average")
	f.StringVar(&o.Precision, "precision", string(kernel.FP32), "fp32, or bf16 to round to half the size")
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
	r := ExportResult{Out: o.Out, From: c.Path, Weights: "raw", Precision: o.Precision}
	average := !o.Raw && c.AveragePath != ""
	if average || c.Embedded() {
		r.Weights = "ema"
	}
	if err := c.Export(o.Out, average, o.Precision == string(kernel.BF16)); err != nil {
		return err
	}
	info, err := os.Stat(o.Out)
	if err != nil {
		return err
	}
	r.Bytes = info.Size()
	if o.Global.JSON {
		return o.IO.PrintJSON(r)
	}
	_, err = fmt.Fprintf(o.IO.Out, "%s: %s weights of %s in %s, %s\n", r.Out, r.Weights, r.From, r.Precision, byteSize(r.Bytes))
	return err
}
