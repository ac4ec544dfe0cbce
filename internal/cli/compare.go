package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/atomicfile"
	"diffuse/internal/config"
	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/judge"
	"diffuse/internal/kernel"
	"diffuse/internal/plot"
	"diffuse/internal/pretrained"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"
	"diffuse/internal/train"
)

// CompareOptions are the options of diffuse compare-samplers.
type CompareOptions struct {
	SampleOptions
	JudgeOptions
	Samplers string
	Steps    string
	Etas     string
}

// NewCompareSamplers is `diffuse compare-samplers`.
func NewCompareSamplers(stdio *IO, g *Global) *cobra.Command {
	o := &CompareOptions{SampleOptions: SampleOptions{IO: stdio, Global: g}}
	cmd := &cobra.Command{
		Use:   "compare-samplers [RUN|FILE]",
		Short: "Score samplers against each other: quality for net calls",
		Long: help(`Score the images of one net under several samplers, each with several numbers of
steps and, where it heeds one, several etas: one table, and a plot of FID over
net calls with the Pareto front, the cells that no other beats in both.

Every cell is written to OUT.json when it is done. Ctrl-C stops between images;
the same command goes on where it stopped.`, fault.Checkpoint, fault.Data, fault.Interrupted),
		Example: `  diffuse compare-samplers --sampler ddim,ddpm,skip --steps 25,50,100,200,333 --eta 0,0.5,1
  diffuse compare-samplers clothes --sampler ddim,heun,dpmpp_2m --steps 10,20,50 --samples 512 --out fast.png`,
		Args:              arguments("a RUN or FILE", 0, 1),
		ValidArgsFunction: completeNets(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Given = given(args)
			o.Keys = FlagOverrides(cmd.Flags(), map[string]string{
				"samples": "sample.n", "seed": "sample.seed", "batch": "sample.batch", "precision": "sample.precision", "spacing": "sample.spacing",
			})
			if !cmd.Flags().Changed("samples") {
				o.Keys = append(o.Keys, config.Override{Key: "sample.n", Value: defaultSamples, From: "--samples"})
			}
			return compareRun(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Samplers, "sampler", "ddim,dpmpp_2m,heun", "samplers, a `LIST`")
	f.StringVar(&o.Steps, "steps", "10,25,50,100", "numbers of steps, a `LIST`, for the samplers that heed them")
	f.StringVar(&o.Etas, "eta", "0,1", "etas, a `LIST`, for the samplers that heed them")
	f.Int("samples", 0, "images a cell, 2048 unless given (key sample.n)")
	f.Int64("seed", 0, "the first image's seed (key sample.seed)")
	f.StringVarP(&o.Out, "out", "o", "samplers.png", "where to plot: `PATH`.png or .svg; the table goes to PATH.json beside it")
	o.addNetFlags(cmd)
	o.addJudgeFlags(cmd, g)
	g.AddSetFlag(cmd)
	return cmd
}

// Cell is one way of drawing and what its images score.
type Cell struct {
	Key      string     `json:"key"` // the hash of all that the score depends on
	Sampler  string     `json:"sampler"`
	Steps    int        `json:"steps,omitempty"` // where it heeds them
	Eta      *float64   `json:"eta,omitempty"`   // where it heeds one
	NetCalls int        `json:"net_calls"`
	Seconds  float64    `json:"seconds"`
	Pareto   bool       `json:"pareto"` // no other has a lower FID for as few net calls
	Score    eval.Score `json:"score"`

	conf config.Sample
}

// comparison is a table under way.
type comparison struct {
	*CompareOptions
	job   *sampleJob
	judge *judge.Judge
	table string // the path of the cells
	hash  string // of the weights
	Cells []*Cell
}

func compareRun(ctx context.Context, o *CompareOptions) error {
	if err := plot.CheckChartPath(o.Out); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.Out), 0o777); err != nil {
		return fmt.Errorf("cannot plot: %w", err)
	}
	job, err := newSampleJob(&o.SampleOptions)
	if err != nil {
		return err
	}
	c := job.checkpoint
	t := &comparison{CompareOptions: o, job: job, table: strings.TrimSuffix(o.Out, filepath.Ext(o.Out)) + ".json"}
	if t.hash, err = job.hash(); err != nil {
		return err
	}
	if t.Cells, err = o.cells(job.conf); err != nil {
		return err
	}
	if t.judge, err = o.judge(ctx, o.IO, o.Global, c.DataSet); err != nil {
		return err
	}
	defer t.judge.Close()
	if err := t.fill(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			return fault.New(fault.Interrupted, "the same command goes on where it stopped", "interrupted: finished cells are in %s", t.table)
		}
		return err
	}
	return t.show()
}

// hash is that of the weights that draw, and of those that guide them.
func (j *sampleJob) hash() (string, error) {
	net, err := weightsHash(j.checkpoint, j.average)
	if err != nil || j.guide == nil {
		return net, err
	}
	guide, err := weightsHash(j.guide, j.guide.AveragePath != "")
	return net + " guided by " + guide, err
}

func weightsHash(c *train.Checkpoint, average bool) (string, error) {
	switch {
	case c.Embedded():
		return pretrained.Hash(), nil
	case average:
		return judge.HashFile(c.AveragePath)
	}
	return judge.HashFile(c.Path)
}

// cells are the ways of drawing that the lists make.
func (o *CompareOptions) cells(base config.Sample) (cells []*Cell, err error) {
	steps, err := numbers("--steps", o.Steps, strconv.Atoi)
	if err != nil {
		return nil, err
	}
	etas, err := numbers("--eta", o.Etas, parseFloat)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(etas, func(eta float64) bool { return !(0 <= eta && eta <= 1) }) {
		return nil, fault.New(fault.Usage, "", "--eta: must be from 0 to 1, got %q", o.Etas)
	}
	known := config.Choices("sample.sampler")
	for name := range strings.SplitSeq(o.Samplers, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(known, name) {
			return nil, fault.New(fault.Usage, "", "--sampler: must be of %s, got %q", strings.Join(known, ", "), name)
		}
		stepped, noisy := !slices.Contains([]string{"ddpm", "skip", "sample_at"}, name), slices.Contains(heedEta, name)
		for _, n := range orOne(steps, stepped) {
			for _, eta := range orOne(etas, noisy) {
				c := &Cell{Sampler: name, conf: base}
				c.conf.Sampler = name
				if stepped {
					c.Steps, c.conf.Steps = n, n
				}
				if noisy {
					c.Eta, c.conf.Eta = &eta, eta
				}
				cells = append(cells, c)
			}
		}
	}
	return cells, nil
}

// orOne is the list, or one of it where it is not heeded.
func orOne[T any](list []T, heeded bool) []T {
	if heeded {
		return list
	}
	return list[:1]
}

func parseFloat(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

// numbers reads a list of them.
func numbers[T any](flag, list string, parse func(string) (T, error)) (all []T, err error) {
	for word := range strings.SplitSeq(list, ",") {
		n, err := parse(strings.TrimSpace(word))
		if err != nil {
			return nil, fault.New(fault.Usage, "", "%s: must be numbers with commas between, got %q", flag, list)
		}
		all = append(all, n)
	}
	return all, nil
}

// stored are the finished cells in the table on disk, by key.
func (t *comparison) stored() (map[string]*Cell, error) {
	text, err := os.ReadFile(t.table)
	if err != nil {
		return nil, nil // none yet: what else is wrong, writing will tell
	}
	var table struct{ Cells []*Cell }
	if err := json.Unmarshal(text, &table); err != nil {
		return nil, fault.New(fault.Data, "name another file: --out", "%s is no table of samplers: %w", t.table, err)
	}
	done := map[string]*Cell{}
	for _, c := range table.Cells {
		if c != nil && c.Score.FID != nil && c.Score.Interval != nil {
			done[c.Key] = c
		}
	}
	return done, nil
}

// fill scores the cells that are not in the table yet.
func (t *comparison) fill(ctx context.Context) error {
	done, err := t.stored()
	if err != nil {
		return err
	}
	for i, c := range t.Cells {
		c.Key = t.key(c)
		if d := done[c.Key]; d != nil {
			t.Cells[i] = d
		}
	}
	schedule, err := schedule.New(t.job.checkpoint.Schedule)
	if err != nil {
		return err
	}
	var nets []sample.Pair // the same for all cells
	for i, c := range t.Cells {
		if c.Score.FID != nil {
			continue
		}
		if t.job.sampler, err = sample.New(c.conf, schedule, t.job.checkpoint.ClassNames()); err != nil {
			return err
		}
		t.Global.Log.Info("cell", "number", i+1, "of", len(t.Cells), "sampler", c.Sampler, "steps", c.Steps, "net_calls", t.job.sampler.NetCalls())
		began := time.Now()
		if nets == nil {
			if nets, err = t.job.nets(); err != nil {
				return err
			}
		}
		s, err := t.judge.Score(ctx, t.job.drawn(nets))
		if err != nil {
			return err
		}
		c.Score, c.NetCalls, c.Seconds = *s, t.job.sampler.NetCalls(), round(time.Since(began).Seconds(), 3)
		if err := t.write(); err != nil {
			return err
		}
	}
	return t.write()
}

// key is the hash of what a cell's score depends on.
func (t *comparison) key(c *Cell) string {
	return judge.Key([]any{t.hash, c.conf, t.job.seeds, t.judge.ReferenceHash(), t.judge.Extractor(), t.KID, t.ScoreSeed, t.NoFloor, kernel.Best().Name()})
}

// write replaces the table by the finished cells, and marks the Pareto front
// among them.
func (t *comparison) write() error {
	cells := slices.DeleteFunc(slices.Clone(t.Cells), func(c *Cell) bool { return c.Score.FID == nil })
	for _, c := range cells {
		c.Pareto = !slices.ContainsFunc(cells, func(d *Cell) bool {
			return d.NetCalls <= c.NetCalls && *d.Score.FID < *c.Score.FID
		})
	}
	return atomicfile.WriteJSON(t.table, struct {
		Cells []*Cell `json:"cells"`
	}{cells})
}

// show prints the table and plots it.
func (t *comparison) show() error {
	slices.SortStableFunc(t.Cells, func(a, b *Cell) int { return a.NetCalls - b.NetCalls })
	if err := t.plot(); err != nil {
		return err
	}
	if t.Global.JSON {
		return t.IO.PrintJSON(struct {
			Cells []*Cell `json:"cells"`
			Plot  string  `json:"plot"`
			Table string  `json:"table"`
		}{t.Cells, t.Out, t.table})
	}
	w := t.IO.Out
	fmt.Fprintf(w, "  %-16s %5s %5s %9s %8s %9s %9s %8s\n", "sampler", "steps", "eta", "net calls", "FID", "95 %", "KID", "seconds")
	for _, c := range t.Cells {
		mark, steps, eta, kid := " ", "", "", ""
		if c.Pareto {
			mark = "*"
		}
		if c.Steps > 0 {
			steps = strconv.Itoa(c.Steps)
		}
		if c.Eta != nil {
			eta = fmt.Sprint(*c.Eta)
		}
		if c.Score.KID != nil {
			kid = fmt.Sprintf("%.5f", *c.Score.KID)
		}
		i := c.Score.Interval
		fmt.Fprintf(w, "%s %-16s %5s %5s %9d %8.2f %9s %9s %8.0f\n", mark, c.Sampler, steps, eta, c.NetCalls, *c.Score.FID, fmt.Sprintf("%.1f–%.1f", i[0], i[1]), kid, c.Seconds)
	}
	first := t.Cells[0].Score
	first.Interval = nil // each cell has its own
	_, terms, _ := strings.Cut(first.FIDLine(), " [")
	_, err := fmt.Fprintf(w, "* no other has a lower FID for as few net calls\nFID and KID [%s\n  plot   %s\n  table  %s\n", terms, t.Out, t.table)
	return err
}

// plot draws FID over net calls: a curve for each sampler and eta, the Pareto
// front and the floor.
func (t *comparison) plot() error {
	var lines []plot.Line
	front := plot.Line{Label: "Pareto front", Dashed: true}
	at := map[string]int{}
	for _, c := range t.Cells {
		label := c.Sampler
		if c.Eta != nil {
			label += fmt.Sprintf(" eta %v", *c.Eta)
		}
		k, ok := at[label]
		if !ok {
			k = len(lines)
			at[label], lines = k, append(lines, plot.Line{Label: label})
		}
		lines[k].X, lines[k].Y = append(lines[k].X, float64(c.NetCalls)), append(lines[k].Y, *c.Score.FID)
		if c.Pareto {
			front.X, front.Y = append(front.X, float64(c.NetCalls)), append(front.Y, *c.Score.FID)
		}
	}
	lines = append(lines, front)
	if f := t.Cells[0].Score.Floor; f != nil {
		ends := []float64{float64(t.Cells[0].NetCalls), float64(t.Cells[len(t.Cells)-1].NetCalls)}
		lines = append(lines, plot.Line{Label: "floor: real images", X: ends, Y: []float64{f.FID, f.FID}, Dashed: true})
	}
	return plot.WriteCharts(t.Out, plot.Chart{
		Title: "quality for net calls", XLabel: "net calls an image", YLabel: "FID", LogX: true, LogY: true, Lines: lines,
	})
}
