package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
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
	GarbageBytes int64     `json:"garbage_bytes"` // allocated by a run, on average

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
	)
	return cmd
}

// measure makes one run of what is benchmarked for a config; runs add to notes
// where their time goes.
type measure func(ctx context.Context, c *config.Config, o *BenchOptions) (parameters int, run func() error, err error)

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
	parameters, run, err := m(ctx, c, o)
	if err != nil {
		return err
	}
	seconds, garbage, err := timeRuns(ctx, o, run)
	if err != nil {
		return err
	}
	sorted := slices.Sorted(slices.Values(seconds))
	median := medianOf(sorted)
	result := BenchResult{
		What: what, Config: c.Name, Precision: c.Train.Precision, Batch: c.Train.Batch, Workers: o.Global.Workers,
		Kernels: kernel.Best().Name(), CPU: machine.CPU(), Parameters: parameters,
		ImgPerS: round(float64(c.Train.Batch)/median, 4), MedianS: round(median, 6),
		MinS: round(sorted[0], 6), MaxS: round(sorted[len(sorted)-1], 6), RunsS: seconds,
		PeakRSSBytes: machine.PeakRSS(), GarbageBytes: garbage,
	}
	if o.Profile {
		result.Profile = o.profileOf(kernelsIn(c.Train.Precision), seconds)
	}
	return printBench(o, result)
}

// timeRuns is the seconds of each counted run, and the bytes of the heap that
// one takes on average.
func timeRuns(ctx context.Context, o *BenchOptions, run func() error) (seconds []float64, garbage int64, err error) {
	var before, after runtime.MemStats
	for i := range o.Warmup + o.Runs {
		if ctx.Err() != nil {
			return nil, 0, fault.New(fault.Interrupted, "", "interrupted after %d of %d runs", i, o.Warmup+o.Runs)
		}
		if i == o.Warmup {
			runtime.ReadMemStats(&before)
			if o.notes != nil {
				o.notes.Reset()
			}
		}
		began := time.Now()
		if err := run(); err != nil {
			return nil, 0, err
		}
		took := time.Since(began).Seconds()
		o.Global.Log.Debug("run", "number", i+1, "seconds", took, "warmup", i < o.Warmup)
		if i >= o.Warmup {
			seconds = append(seconds, round(took, 6))
		}
	}
	runtime.ReadMemStats(&after)
	return seconds, int64(after.TotalAlloc-before.TotalAlloc) / int64(o.Runs), nil
}

func medianOf(sorted []float64) float64 {
	n := len(sorted)
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
  %s parameters, peak memory %s, %s of garbage a batch
`,
		r.What, r.Config, r.Precision, r.Batch, r.ImgPerS, r.MedianS, r.MinS, r.MaxS, len(r.RunsS),
		r.Workers, r.Kernels, r.CPU, thousands(r.Parameters), machine.Bytes(r.PeakRSSBytes), machine.Bytes(r.GarbageBytes))
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
func benchTrain(ctx context.Context, c *config.Config, o *BenchOptions) (int, func() error, error) {
	images := randomImages(c)
	c.Train.Epochs, c.Train.Steps = 1_000_000, 0 // never reaches the end
	if err := fitsMemory(c, imagesOf(c, images), machine.Memory()); err != nil {
		return 0, nil, err
	}
	kernels := kernelsIn(c.Train.Precision)
	net, err := model.New(c.Model, imagesOf(c, images), true, kernels)
	if err != nil {
		return 0, nil, err
	}
	net.Measure(o.notes, o.Apart)
	net.Init(c.Train.Seed)
	s, err := schedule.New(c.Schedule)
	if err != nil {
		return 0, nil, err
	}
	t, err := train.New(train.Setup{
		Config: c, Net: net, Schedule: s, Train: images, Valid: images, Kernels: kernels, Workers: o.Global.Workers, Profile: o.notes,
	})
	if err != nil {
		return 0, nil, err
	}
	return net.Params().Count(), func() error {
		t.Position = 0 // one batch is all the images there are
		return t.OneStep(ctx)
	}, nil
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

// benchInfer runs a batch through the net, a micro-batch at a time on each
// worker.
func benchInfer(_ context.Context, c *config.Config, o *BenchOptions) (int, func() error, error) {
	net, err := model.New(c.Model, imagesOf(c, randomImages(c)), false, kernelsIn(c.Train.Precision))
	if err != nil {
		return 0, nil, err
	}
	net.Measure(o.notes, o.Apart)
	net.Init(c.Train.Seed)
	workers := o.Global.Workers
	batch, sizes := c.Train.Batch, net.Sizes()
	micro := min((batch+workers-1)/workers, c.Sample.Batch) // every worker has a share
	x, y, times := make([]float32, batch*sizes.Input), make([]float32, batch*sizes.Output), make([]float64, batch)
	rng.Normal(x, 0, rng.Noise, 0, 0)
	for i := range times {
		times[i] = float64(i % c.Schedule.Steps)
	}
	hands := make([]model.Worker, workers)
	for i := range hands {
		if hands[i], err = net.Worker(micro, false); err != nil {
			return 0, nil, err
		}
	}
	return net.Params().Count(), func() error {
		errs := make([]error, workers)
		var group sync.WaitGroup
		for i, w := range hands {
			group.Go(func() {
				for lo := i * micro; lo < batch && errs[i] == nil; lo += workers * micro {
					hi := min(batch, lo+micro)
					errs[i] = w.Predict(y[lo*sizes.Output:hi*sizes.Output], x[lo*sizes.Input:hi*sizes.Input], times[lo:hi])
				}
			})
		}
		group.Wait()
		return errors.Join(errs...)
	}, nil
}
