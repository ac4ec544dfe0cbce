package cli

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/machine"
	"diffuse/internal/model"
	"diffuse/internal/profile"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"
	"diffuse/internal/train"
)

// BenchOptions are what both benchmarks need.
type BenchOptions struct {
	IO     *IO
	Global *Global
	Config string
	Runs   int
	Warmup int

	Profile bool // say where the time goes
	Apart   bool // layer by layer
	notes   *profile.Profile
}

// BenchResult is what a benchmark measured.
type BenchResult struct {
	What         string    `json:"what"` // "train", "infer", "op" or "extract"
	Config       string    `json:"config"`
	Precision    string    `json:"precision"`
	Batch        int       `json:"batch"`
	Workers      int       `json:"workers"`
	Kernels      string    `json:"kernels"`
	CPU          string    `json:"cpu"`
	Parameters   int       `json:"parameters"`
	ImgPerS      float64   `json:"img_per_s"` // at the median
	MedianS      float64   `json:"median_s"`
	MinS         float64   `json:"min_s"`
	MaxS         float64   `json:"max_s"`
	RunsS        []float64 `json:"runs_s"`
	PeakRSSBytes int64     `json:"peak_rss_bytes"`
	GarbageBytes int64     `json:"garbage_bytes"` // that a run takes from the heap, at the median
	Allocations  int64     `json:"allocations"`   // in how many pieces, at the median

	Profile *BenchProfile `json:"profile,omitempty"`
}

// NewBench is `diffuse bench`.
func NewBench(stdio *IO, g *Global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure training and inference on this machine",
		Long: help(`Measure how fast this machine trains a config's net or runs it forward.

Steps run on random images, so no data set is needed. The first runs warm up
and are not counted; the median of the others is what to quote, beside their
spread: on a shared machine single figures mean little.`, fault.Interrupted),
		Example: `  diffuse bench train --config fashion.yaml --batch 64
  diffuse bench infer --config fashion.yaml --batch 64 --json
  diffuse bench train --config fashion.yaml --profile
  diffuse bench op --config fashion.yaml`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newBench(stdio, g, "train", "Time training steps: gradient, optimizer and all", benchTrain, false),
		newBench(stdio, g, "infer", "Time forward passes of the net", benchInfer, false),
		newBenchExtract(stdio, g),
		newBench(stdio, g, "op", "Time each layer of the net within training steps", benchTrain, true),
		newBenchRecord(stdio, g),
	)
	return cmd
}

// benched is what is benchmarked.
type benched struct {
	parameters int
	run        func() error // once
	close      func()
}

// measure prepares what is benchmarked for a config; runs add to notes where
// their time goes.
type measure func(ctx context.Context, c *config.Config, o *BenchOptions) (*benched, error)

func newBench(stdio *IO, g *Global, what, short string, m measure, apart bool) *cobra.Command {
	o := &BenchOptions{IO: stdio, Global: g, Profile: apart, Apart: apart}
	cmd := &cobra.Command{
		Use:   what,
		Short: short,
		Long:  help(short+".\n\nPrints images a second at the median, the spread, and peak memory.", fault.Interrupted),
		Example: fmt.Sprintf(`  diffuse bench %s --config fashion.yaml --precision fp32 --batch 64
  diffuse bench %s --config quick.yaml --json`, what, what),
		Args: noArguments("--config"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			overrides := FlagOverrides(cmd.Flags(), map[string]string{"batch": "train.batch", "precision": "train.precision"})
			r, err := g.LoadConfig(o.Config, overrides...)
			if err != nil {
				return err
			}
			return benchRun(cmd.Context(), o, what, r, m)
		},
	}
	AddConfigFlag(cmd, &o.Config)
	g.AddSetFlag(cmd)
	cmd.Flags().Int("batch", 0, "images a step (key train.batch)")
	cmd.Flags().String("precision", "", "what the net multiplies in (key train.precision)")
	cmd.Flags().IntVar(&o.Runs, "reps", 5, "timed runs")
	cmd.Flags().IntVar(&o.Warmup, "warmup", 1, "runs before them that are not counted")
	if !apart {
		cmd.Flags().BoolVar(&o.Profile, "profile", false, "say where the time goes, beside what the work would take at this machine's peak")
	}
	completePrecision(cmd)
	return cmd
}

func benchRun(ctx context.Context, o *BenchOptions, what string, r *config.Resolved, m measure) error {
	if o.Runs < 1 || o.Warmup < 0 {
		return fault.New(fault.Usage, "", "--reps must be at least 1 and --warmup at least 0, got %d and %d", o.Runs, o.Warmup)
	}
	c := &r.Config
	if o.Profile {
		o.notes = profile.New()
	}
	b, err := m(ctx, c, o)
	if err != nil {
		return err
	}
	defer b.close()
	cost, err := timeRuns(ctx, o, b.run)
	if err != nil {
		return err
	}
	median := medianOf(cost.seconds)
	result := BenchResult{
		What: what, Config: c.Name, Precision: c.Train.Precision, Batch: c.Train.Batch, Workers: o.Global.Workers,
		Kernels: kernel.Best().Name(), CPU: machine.CPU(), Parameters: b.parameters,
		ImgPerS: round(float64(c.Train.Batch)/median, 4), MedianS: round(median, 6),
		MinS: slices.Min(cost.seconds), MaxS: slices.Max(cost.seconds), RunsS: cost.seconds,
		PeakRSSBytes: machine.PeakRSS(), GarbageBytes: medianOf(cost.bytes), Allocations: medianOf(cost.allocations),
	}
	if o.Profile {
		result.Profile = o.profileOf(kernelsIn(c.Train.Precision), cost.seconds)
	}
	return printBench(o, result)
}

// runCosts are what each counted run took: seconds, and from the heap.
type runCosts struct {
	seconds            []float64
	bytes, allocations []int64
}

func timeRuns(ctx context.Context, o *BenchOptions, run func() error) (*runCosts, error) {
	var before, after runtime.MemStats
	cost := new(runCosts)
	for i := range o.Warmup + o.Runs {
		if ctx.Err() != nil {
			return nil, fault.New(fault.Interrupted, "", "interrupted after %d of %d runs", i, o.Warmup+o.Runs)
		}
		if i == o.Warmup && o.notes != nil {
			o.notes.Reset()
		}
		runtime.ReadMemStats(&before)
		began := time.Now()
		if err := run(); err != nil {
			return nil, err
		}
		took := time.Since(began).Seconds()
		runtime.ReadMemStats(&after)
		o.Global.Log.Debug("run", "number", i+1, "seconds", took, "warmup", i < o.Warmup)
		if i >= o.Warmup {
			cost.seconds = append(cost.seconds, round(took, 6))
			cost.bytes = append(cost.bytes, int64(after.TotalAlloc-before.TotalAlloc))
			cost.allocations = append(cost.allocations, int64(after.Mallocs-before.Mallocs))
		}
	}
	return cost, nil
}

func medianOf[T int64 | float64](x []T) T {
	sorted, n := slices.Sorted(slices.Values(x)), len(x)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// round keeps so many decimals.
func round(x float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(x*scale) / scale
}

func printBench(o *BenchOptions, r BenchResult) error {
	if o.Global.JSON {
		return o.IO.PrintJSON(r)
	}
	_, err := fmt.Fprintf(o.IO.Out, `%s %s, %s, batch %d: %.1f images/s
  median %.3f s a batch, %.3f to %.3f in %d runs
  %d workers, kernels %s, %s
  %s parameters, peak memory %s, %d allocations with %s of garbage a batch
`,
		r.What, r.Config, r.Precision, r.Batch, r.ImgPerS, r.MedianS, r.MinS, r.MaxS, len(r.RunsS),
		r.Workers, r.Kernels, r.CPU, thousands(r.Parameters), machine.Bytes(r.PeakRSSBytes), r.Allocations, machine.Bytes(r.GarbageBytes))
	if err == nil && r.Profile != nil {
		err = r.Profile.print(o.IO.Out)
	}
	return err
}

// thousands writes 15890753 as 15,890,753.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// benchTrain makes a whole optimizer step over random images.
func benchTrain(ctx context.Context, c *config.Config, o *BenchOptions) (*benched, error) {
	images := randomImages(c)
	c.Train.Epochs, c.Train.Steps = 1_000_000, 0 // never reaches the end
	if err := fitsMemory(c, imagesOf(c, images), machine.Memory()); err != nil {
		return nil, err
	}
	kernels := kernelsIn(c.Train.Precision)
	net, err := model.New(c.Model, imagesOf(c, images), true, kernels)
	if err != nil {
		return nil, err
	}
	net.Measure(o.notes, o.Apart)
	net.Init(c.Train.Seed)
	s, err := schedule.New(c.Schedule)
	if err != nil {
		return nil, err
	}
	t, err := train.New(train.Setup{
		Config: c, Net: net, Schedule: s, Train: images, Valid: images, Kernels: kernels, Workers: o.Global.Workers, Profile: o.notes,
	})
	if err != nil {
		return nil, err
	}
	return &benched{net.Params().Count(), func() error {
		t.Position = 0 // one batch is all the images there are
		return t.OneStep(ctx)
	}, t.Close}, nil
}

// randomImages are one batch of noise in the shape of a config's data set.
func randomImages(c *config.Config) *dataset.Set {
	s := &dataset.Set{
		Name: "noise", N: c.Train.Batch, H: c.Data.Size, W: c.Data.Size, C: dataset.Channels(c.Data.Set), Classes: make([]string, 10),
	}
	s.Labels = make([]uint8, s.N)
	s.Pixels = make([]uint8, s.N*s.H*s.W*s.C)
	for i := range s.Pixels {
		s.Pixels[i] = uint8(rng.Intn(256, 0, rng.Noise, uint64(i), 0))
	}
	return s
}
