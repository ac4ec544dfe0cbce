package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/plot"
	"diffuse/internal/run"
)

// DiffOptions are the options of diffuse runs diff.
type DiffOptions struct {
	IO      *IO
	Global  *Global
	Curves  string // where to draw the losses of both; empty is nowhere
	Samples string // where to draw images of both from the same seeds
	N       int    // how many of each
}

// NewRunsDiff is `diffuse runs diff`.
func NewRunsDiff(stdio *IO, g *Global) *cobra.Command {
	o := &DiffOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say what two runs differ in, and which is better",
		Long: help(`Compare two runs: the keys of the config, the program, the checkout and the data
that differ, their losses at the last epoch that both have, and their latest
scores with their intervals. Scores are compared only where they mean the same:
as many samples, the same real images and the same extractor.

--curves draws the losses of both into one chart; --samples draws images of both
nets from the same seeds, A's above B's.`, fault.Checkpoint, fault.Interrupted),
		Example: `  diffuse runs diff linear cosine
  diffuse runs diff linear cosine --curves losses.png --samples pairs.png --n 16`,
		Args:              arguments("two RUNs", 2, 2),
		ValidArgsFunction: completeRuns(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			return diffRun(cmd.Context(), o, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Curves, "curves", "", "draw the losses of both to `FILE`.png or .svg")
	f.StringVar(&o.Samples, "samples", "", "draw images of both from the same seeds to `FILE`.png")
	f.IntVar(&o.N, "n", 8, "images of each run")
	return cmd
}

// DiffResult is what two runs differ in.
type DiffResult struct {
	A      string       `json:"a"`
	B      string       `json:"b"`
	Config []run.Change `json:"config"`
	Facts  []run.Change `json:"facts"` // program, machine, checkout, data
	Losses *LossDiff    `json:"losses,omitempty"`
	Scores *ScoreDiff   `json:"scores,omitempty"`
	Files  []string     `json:"files,omitempty"`
}

// LossDiff are the losses at the last epoch that both runs have.
type LossDiff struct {
	Epoch int      `json:"epoch"`
	Steps [2]int   `json:"steps"`
	Train [2]Float `json:"train"`
	Valid [2]Float `json:"valid"`
	EMA   [2]Float `json:"valid_ema"`
}

// Float is a number that may be unknown.
type Float = *float64

// ScoreDiff are two runs' latest scores.
type ScoreDiff struct {
	A       run.ScoreLine `json:"a"`
	B       run.ScoreLine `json:"b"`
	Verdict string        `json:"verdict"`
}

func diffRun(ctx context.Context, o *DiffOptions, a, b string) error {
	if err := o.check(); err != nil {
		return err
	}
	var records [2]*run.Record
	for i, name := range []string{a, b} {
		folder, err := run.Find(o.Global.Runs, name)
		if err != nil {
			return err
		}
		if records[i], err = run.ReadRecord(folder); err != nil {
			return err
		}
	}
	d := compareRecords(records[0], records[1])
	if o.Curves != "" {
		if err := plot.WriteCharts(o.Curves, lossChart(records[0], records[1])); err != nil {
			return err
		}
		d.Files = append(d.Files, o.Curves)
	}
	if o.Samples != "" {
		if err := o.drawPairs(ctx, a, b); err != nil {
			return err
		}
		d.Files = append(d.Files, o.Samples)
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(d)
	}
	return d.print(o.IO.Out)
}

func (o *DiffOptions) check() error {
	if o.Curves != "" {
		if err := plot.CheckChartPath(o.Curves); err != nil {
			return err
		}
	}
	if o.Samples != "" && !strings.HasSuffix(strings.ToLower(o.Samples), ".png") {
		return fault.New(fault.Usage, "", "--samples: %s must end in .png", o.Samples)
	}
	if o.N < 1 || o.N > 1024 {
		return fault.New(fault.Usage, "", "--n: must be from 1 to 1024, got %d", o.N)
	}
	return nil
}

func compareRecords(a, b *run.Record) *DiffResult {
	startA, startB := a.Start(), b.Start()
	d := &DiffResult{
		A: a.Name, B: b.Name,
		Config: run.Changes(runConfig(a.Folder), runConfig(b.Folder)),
		Facts:  run.Changes(startA.Facts(), startB.Facts()),
	}
	for _, ea := range slices.Backward(a.Epochs) {
		i := slices.IndexFunc(b.Epochs, func(e run.EpochLine) bool { return e.Epoch == ea.Epoch })
		if i < 0 {
			continue
		}
		eb := b.Epochs[i]
		d.Losses = &LossDiff{
			Epoch: ea.Epoch, Steps: [2]int{ea.Step, eb.Step},
			Train: [2]Float{ea.TrainLoss, eb.TrainLoss}, Valid: [2]Float{ea.ValidLoss, eb.ValidLoss}, EMA: [2]Float{ea.ValidEMA, eb.ValidEMA},
		}
		break
	}
	if sa, sb := a.LastScore(), b.LastScore(); sa != nil && sb != nil {
		d.Scores = &ScoreDiff{A: *sa, B: *sb, Verdict: verdict(a.Name, b.Name, sa, sb)}
	}
	return d
}

// verdict says which score is better, if that can be said.
func verdict(nameA, nameB string, a, b *run.ScoreLine) string {
	if ok, why := a.Comparable(b); !ok {
		return "not to be compared: " + why
	}
	if a.FID == nil || b.FID == nil {
		return "no FID to compare"
	}
	better, by := nameA, *b.FID-*a.FID
	if by < 0 {
		better, by = nameB, -by
	}
	text := fmt.Sprintf("%s is better by %.3g", better, by)
	switch {
	case by == 0:
		return "the same"
	case a.Interval == nil || b.Interval == nil:
		return text + ", without intervals to judge it by"
	case a.Interval[0] <= b.Interval[1] && b.Interval[0] <= a.Interval[1]:
		return text + ", but the 95 % intervals overlap"
	}
	return text + "; the 95 % intervals are apart"
}

// print writes what differs for people.
func (d *DiffResult) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\t%s\t%s\n", d.A, d.B)
	changes := func(what string, all []run.Change) {
		if len(all) == 0 {
			fmt.Fprintf(table, "%s\tthe same\t\n", what)
		}
		for _, c := range all {
			fmt.Fprintf(table, "%s\t%s\t%s\n", c.What, shortHash(c.A), shortHash(c.B))
		}
	}
	changes("config", d.Config)
	changes("program, machine, data", d.Facts)
	if l := d.Losses; l != nil {
		row := func(what string, pair [2]Float) {
			if pair[0] != nil || pair[1] != nil {
				fmt.Fprintf(table, "%s, epoch %d\t%s\t%s\n", what, l.Epoch, known(pair[0]), known(pair[1]))
			}
		}
		row("train loss", l.Train)
		row("validation loss", l.Valid)
		row("of the averaged weights", l.EMA)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if s := d.Scores; s != nil {
		fmt.Fprintf(w, "%s: %s\n%s: %s\n%s\n", d.A, s.A.FIDLine(), d.B, s.B.FIDLine(), s.Verdict)
	}
	for _, f := range d.Files {
		fmt.Fprintln(w, f)
	}
	return nil
}

// known writes a loss that a run may lack.
func known(x Float) string {
	if x == nil {
		return "-"
	}
	return loss(x)
}

// shortHash is enough of a hash to tell it from another; other texts are whole.
func shortHash(text string) string {
	const hexDigits = 40 // of git's hashes, and fewer than SHA-256's
	if len(text) >= hexDigits && strings.Trim(text, "0123456789abcdef") == "" {
		return text[:12]
	}
	return text
}

// lossChart draws runs' training losses, smoothed, and their validation losses
// as dashed lines of the same order.
func lossChart(records ...*run.Record) plot.Chart {
	c := plot.Chart{Title: "loss", XLabel: "step", YLabel: "mean squared error", LogY: true}
	for _, r := range records {
		c.Lines = append(c.Lines, r.LossLine(r.Name))
	}
	for _, r := range records {
		valid := r.ValidLine(r.Name + ", validation")
		valid.Dashed = true
		c.Lines = append(c.Lines, valid)
	}
	return c
}

// drawPairs draws images of both runs from the same seeds, a's in the upper row.
func (o *DiffOptions) drawPairs(ctx context.Context, a, b string) error {
	var pairs plot.Images
	for _, name := range []string{a, b} {
		job, err := newSampleJob(&SampleOptions{
			IO: o.IO, Global: o.Global, Given: name, Checkpoint: "last",
			Keys: []config.Override{{Key: "sample.n", Value: strconv.Itoa(o.N), From: "--n"}},
		})
		if err != nil {
			return err
		}
		nets, err := job.nets()
		if err != nil {
			return err
		}
		x, _, err := job.draw(ctx, nets)
		if err != nil {
			return err
		}
		drawn := job.pictures(x)
		if pairs.N > 0 && (drawn.H != pairs.H || drawn.W != pairs.W || drawn.C != pairs.C) {
			return fault.New(fault.Usage, "", "--samples: images of %s and %s differ in shape", a, b)
		}
		drawn.Pix, drawn.N = append(pairs.Pix, drawn.Pix...), pairs.N+drawn.N
		pairs = drawn
	}
	return plot.WriteGrid(o.Samples, pairs, o.N)
}
