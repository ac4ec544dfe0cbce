package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/machine"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// TrainResult is what a finished run ends with. Losses are mean squared errors
// an element; the "EMA" ones are of the moving average of the weights.
type TrainResult struct {
	Run       string   `json:"run"`
	Dir       string   `json:"dir"`
	Status    string   `json:"status"`                // finished, reached or missed
	Until     string   `json:"until,omitempty"`       // the condition of --until
	Value     *float64 `json:"until_value,omitempty"` // the last one of its metric
	Steps     int      `json:"steps"`
	Epochs    int      `json:"epochs"` // whole ones
	Seconds   float64  `json:"seconds"`
	TrainLoss *float64 `json:"train_loss"`
	ValidLoss *float64 `json:"valid_loss"`
	ValidEMA  *float64 `json:"valid_loss_ema,omitempty"`
	BestLoss  *float64 `json:"best_loss"`
	BestStep  int      `json:"best_step"`
	NonFinite int      `json:"non_finite_steps"`
	Last      string   `json:"last"`
	Best      string   `json:"best,omitempty"`      // none where no epoch has ended
	Accuracy  *float64 `json:"accuracy,omitempty"`  // of a classifier on the validation images
	Confusion [][]int  `json:"confusion,omitempty"` // what it said: a row for each label
	Grid      string   `json:"grid,omitempty"`
	Curves    string   `json:"curves"`
	PeakRSS   int64    `json:"peak_rss_bytes"`
	Next      string   `json:"next"` // the command to type
}

// report prints how the run went and what to type next.
func (t *training) report(folder run.Folder, end ending, p train.Progress, took time.Duration) error {
	r := TrainResult{
		Run: folder.Name, Dir: folder.Dir, Status: string(end.status), Value: end.last, Steps: p.Step, Epochs: p.Epoch, Seconds: round(took.Seconds(), 3),
		TrainLoss: p.TrainLoss, ValidLoss: p.ValidLoss, ValidEMA: p.ValidEMA, BestLoss: p.Best, BestStep: p.BestStep,
		NonFinite: p.NonFinite, Last: folder.LastPath(), Curves: folder.CurvesPath(),
		Grid: lastGrid(folder), PeakRSS: machine.PeakRSS(), Next: "diffuse sample " + shellWord(folder.Name) + t.o.Global.runsFlag(),
	}
	if end.until != nil {
		r.Until = end.until.String()
	}
	if p.BestStep > 0 {
		r.Best = folder.BestPath()
	}
	if t.config.Model.Kind == config.ResNet {
		r.Next = "diffuse fid --extractor " + shellWord(folder.Name) + t.o.Global.runsFlag()
		record, err := run.ReadRecord(folder)
		if err != nil {
			return err
		}
		if n := len(record.Epochs); n > 0 {
			r.Accuracy, r.Confusion = record.Epochs[n-1].Accuracy, record.Epochs[n-1].Confusion
		}
	}
	if t.o.Global.JSON {
		return t.o.IO.PrintJSON(r)
	}
	w := t.o.IO.Out
	fmt.Fprintf(w, "trained %s: %s steps (%d whole epochs) in %s, peak memory %s\n", r.Run, thousands(r.Steps), r.Epochs, shortTime(took), machine.Bytes(r.PeakRSS))
	if end.until != nil {
		fmt.Fprintf(w, "  %-7s %s: %s\n", end.status, r.Until, end.lastValue())
	}
	if p.Ended > 0 { // else nothing was validated
		fmt.Fprintf(w, "  loss    train %s, validation %s", loss(r.TrainLoss), loss(r.ValidLoss))
		if r.ValidEMA != nil {
			fmt.Fprintf(w, ", of the averaged weights %s", loss(r.ValidEMA))
		}
		fmt.Fprintf(w, "; best %s at step %d\n", loss(r.BestLoss), r.BestStep)
	}
	if r.NonFinite > 0 {
		fmt.Fprintf(w, "  skipped %d steps that were not finite\n", r.NonFinite)
	}
	if r.Accuracy != nil {
		fmt.Fprintf(w, "  accuracy %.4f on the validation images; what was said of each class, row by row:\n", *r.Accuracy)
		printConfusion(w, r.Confusion, t.valid.Classes)
	}
	if r.Grid != "" {
		fmt.Fprintf(w, "  grid    %s\n", r.Grid)
	}
	_, err := fmt.Fprintf(w, "  curves  %s\n  next    %s\n", r.Curves, r.Next)
	return err
}

// printConfusion writes a row for each label, a column for each class said, in
// the same order.
func printConfusion(w io.Writer, counts [][]int, classes []string) {
	for label, row := range counts {
		fmt.Fprintf(w, "    %-12s", classes[label])
		for _, n := range row {
			fmt.Fprintf(w, " %5d", n)
		}
		fmt.Fprintln(w)
	}
}

// loss writes a loss that may be unknown.
func loss(x *float64) string {
	if x == nil {
		return "not finite"
	}
	return fmt.Sprintf("%.4f", *x)
}

// lastGrid is the path of the latest epoch's grid, or empty.
func lastGrid(folder run.Folder) string {
	grids, _ := filepath.Glob(filepath.Join(folder.SamplesDir(), "epoch-*.png")) // sorted
	if len(grids) == 0 {
		return ""
	}
	return grids[len(grids)-1]
}

// DryRunResult is what a run would cost.
type DryRunResult struct {
	Config          string  `json:"config"`
	Parameters      int     `json:"parameters"`
	TrainImages     int     `json:"train_images"`
	ValidImages     int     `json:"valid_images"`
	StepsPerEpoch   int     `json:"steps_per_epoch"`
	Steps           int     `json:"steps"`
	ImgPerS         float64 `json:"img_per_s"`
	EpochSeconds    float64 `json:"epoch_s"` // with validation, without the sample grid
	RunSeconds      float64 `json:"run_s"`
	PeakRSS         int64   `json:"peak_rss_bytes"`
	CheckpointBytes int64   `json:"checkpoint_bytes"`
	Loss            float64 `json:"loss"` // of the step taken
}

// stepWatch keeps the last step. It is a train.Observer.
type stepWatch struct {
	train.Step
	nonFinite *train.NonFinite
}

func (s *stepWatch) Observe(_ context.Context, e train.Event) error {
	switch e := e.(type) {
	case train.Step:
		s.Step = e
	case train.NonFinite:
		s.nonFinite = &e
	}
	return nil
}

// warmUpSeconds is how short a first step must be for another one to be timed:
// the first also builds the graphs.
const warmUpSeconds = 5

// trainDry takes a step and prints what the run would cost.
func trainDry(ctx context.Context, o *TrainOptions) error {
	r, err := o.Global.LoadConfig(o.Config, o.Overrides...)
	if err != nil {
		return err
	}
	t, err := newTraining(o, r, true)
	if err != nil {
		return err
	}
	trainer, err := t.trainer(run.Folder{})
	if err != nil {
		return err
	}
	defer trainer.Close()
	watch := new(stepWatch)
	trainer.Observers = []train.Observer{watch}
	if err := trainer.OneStep(ctx); err != nil {
		return err
	}
	first := watch.Loss
	if perEpoch, _ := train.Length(r.Train, t.images.N); watch.Seconds < warmUpSeconds && perEpoch > 1 {
		if err := trainer.OneStep(ctx); err != nil {
			return err
		}
	}
	if bad := watch.nonFinite; bad != nil {
		return fault.New(fault.Diverged, "lower train.lr, or check data.range and schedule",
			"step %d of the dry run: the %s is not finite, first in %s", bad.Step, bad.What, bad.Layer)
	}
	return t.printDry(watch.Step, first)
}

func (t *training) printDry(step train.Step, loss float64) error {
	c := t.config
	perEpoch, total := train.Length(c.Train, t.images.N)
	r := DryRunResult{
		Config: c.Name, Parameters: t.net.Params().Count(), TrainImages: t.images.N, ValidImages: t.valid.N,
		StepsPerEpoch: perEpoch, Steps: total, ImgPerS: round(float64(step.Images)/step.Seconds, 4),
		PeakRSS: machine.PeakRSS(), Loss: loss,
	}
	// Weights and two moments, and the average where it is on. A forward pass
	// costs a third of a step's (ENGINE.md: the gradient costs two more).
	kept, passes := 3, 1.0
	if c.Train.EMA > 0 {
		kept, passes = 4, 2
	}
	r.CheckpointBytes = int64(kept) * 4 * int64(r.Parameters)
	r.EpochSeconds = round((float64(t.images.N)+passes*float64(t.valid.N)/3)/r.ImgPerS, 3)
	r.RunSeconds = round(r.EpochSeconds*float64(total)/float64(perEpoch), 3)
	if t.o.Global.JSON {
		return t.o.IO.PrintJSON(r)
	}
	seconds := func(s float64) string { return shortTime(time.Duration(s * float64(time.Second))) }
	_, err := fmt.Fprintf(t.o.IO.Out, `dry run of %s: one step took, nothing was written
  net         %s parameters
  images      %s to train with, %s to validate
  steps       %s an epoch, %s in all
  speed       %.4g images/s, about %s an epoch, %s in all
  memory      %s at its peak
  disk        %s a checkpoint; last and best are kept
  first loss  %.4f
`, r.Config, thousands(r.Parameters), thousands(r.TrainImages), thousands(r.ValidImages),
		thousands(r.StepsPerEpoch), thousands(r.Steps), r.ImgPerS, seconds(r.EpochSeconds), seconds(r.RunSeconds),
		machine.Bytes(r.PeakRSS), machine.Bytes(r.CheckpointBytes), r.Loss)
	return err
}
