package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/run"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"
	"diffuse/internal/train"
)

// SampleOptions are the options of diffuse sample that are not keys of the
// config's sample section.
type SampleOptions struct {
	IO         *IO
	Global     *Global
	Given      string // run or file; empty is the newest run
	Checkpoint string // of a run: last, best, ...
	EMA, Raw   bool   // which weights; neither is EMA where there is one
	Seeds      string // empty: n seeds from sample.seed on
	Out        string
	Respaced   bool              // --steps was given
	Counted    bool              // --n was given
	Keys       []config.Override // from the other flags
}

// samplerFlags are the flags that choose a sampler.
var samplerFlags = []struct{ flag, sampler, usage string }{
	{"ddim", "ddim", "sample with DDIM (Song et al. 2021)"},
	{"ddpm", "ddpm", "sample with DDPM (Ho et al. 2020): every step, or --steps of them"},
	{"skip", "skip", "DDPM that calls the net every 3rd step and at the last 50 (keys sample.skip_every, sample.skip_tail)"},
	{"sample-at", "sample_at", "DDPM that calls the net the more often the nearer the end: at 296 of 1,000 steps"},
}

// sampleKeys are the flags that set a key of the config.
var sampleKeys = map[string]string{
	"n": "sample.n", "seed": "sample.seed", "steps": "sample.steps", "eta": "sample.eta",
	"spacing": "sample.spacing", "variance": "sample.variance", "batch": "sample.batch", "precision": "sample.precision",
}

// NewSample is `diffuse sample`, which draws images.
func NewSample(stdio *IO, g *Global) *cobra.Command {
	o := &SampleOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "sample [RUN|FILE]",
		Short: "Draw images with a net that was trained",
		Long: help(`Draw images with a run's net, or with a checkpoint file: the newest run where
none is named. The sampler and its steps are those of the run's config unless
flags say otherwise.

An image is its seed: the image of seed s is the same whatever the number of
images, the batch or the workers. In bf16 it differs a little from fp32.

--out decides the form by its ending: .png is a grid, .npy float32 (N,C,H,W) in
the range the net was trained in, .gif the way from noise to images, and a name
without an ending a folder of PNGs. Without it a grid goes to RUN/samples.`, fault.Checkpoint, fault.Interrupted),
		Example: `  diffuse sample
  diffuse sample --ddim --steps 100 --n 64
  diffuse sample quick-calm-otter --seeds 0-63 --out seeds/
  diffuse sample runs/quick-calm-otter/best.safetensors --ddpm --variance fixed_small
  diffuse sample --ddim --eta 0 --n 9 --out drawing.gif`,
		Args: arguments("a RUN or FILE", 0, 1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return run.Names(g.Runs), cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Given = args[0]
			}
			if err := o.readFlags(cmd.Flags()); err != nil {
				return err
			}
			return sampleRun(cmd.Context(), o)
		},
	}
	o.addFlags(cmd)
	g.AddSetFlag(cmd)
	return cmd
}

func (o *SampleOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Int("n", 0, "how many images (key sample.n)")
	f.Int64("seed", 0, "the first image's seed (key sample.seed)")
	f.StringVar(&o.Seeds, "seeds", "", "one image for each seed of a range or list, such as 0-63 or 1,5,9-12")
	var names []string
	for _, s := range samplerFlags {
		f.Bool(s.flag, false, s.usage)
		names = append(names, s.flag)
	}
	f.Int("steps", 0, "steps of DDIM, or of DDPM where not all (key sample.steps)")
	f.Float64("eta", 0, "DDIM's share of DDPM's noise, 0 to 1 (key sample.eta)")
	f.String("spacing", "", "which steps are taken (key sample.spacing)")
	f.String("variance", "", "DDPM's sigma² (key sample.variance)")
	f.String("clip", "", "clamp x0_hat to `LO,HI`, or none (key sample.clip)")
	f.Int("batch", 0, "images a worker denoises at a time (key sample.batch)")
	f.String("precision", "", "what the net multiplies in (key sample.precision)")
	f.StringVar(&o.Checkpoint, "checkpoint", train.Last, "which of the run's checkpoints")
	f.BoolVar(&o.EMA, "ema", false, "use the moving average of the weights (the default where there is one)")
	f.BoolVar(&o.Raw, "raw", false, "use the weights themselves")
	f.StringVarP(&o.Out, "out", "o", "", "where to write: `PATH`.png, .gif, .npy, or a folder for PNGs")
	cmd.MarkFlagsMutuallyExclusive(names...)
	cmd.MarkFlagsMutuallyExclusive("ema", "raw")
	cmd.MarkFlagsMutuallyExclusive("seeds", "seed")
	completePrecision(cmd)
	complete(cmd, "spacing", "leading", "trailing", "linspace", "quadratic")
	complete(cmd, "variance", "fixed_large\tbeta, the lesson's", "fixed_small\tthe posterior's, diffusers'")
	complete(cmd, "checkpoint", "last", "best")
}

// readFlags turns the flags into values for the config's sample section.
func (o *SampleOptions) readFlags(f *pflag.FlagSet) error {
	o.Keys = FlagOverrides(f, sampleKeys)
	if f.Changed("clip") {
		text, _ := f.GetString("clip")
		if text == "none" {
			text = ""
		}
		o.Keys = append(o.Keys, config.Override{Key: "sample.clip", Value: text, From: "--clip"})
	}
	for _, s := range samplerFlags {
		if chosen, _ := f.GetBool(s.flag); chosen {
			o.Keys = append(o.Keys, config.Override{Key: "sample.sampler", Value: s.sampler, From: config.Source("--" + s.flag)})
		}
	}
	o.Respaced, o.Counted = f.Changed("steps"), f.Changed("n")
	return nil
}

// checkFlags refuses a flag that the sampler would not heed.
func (o *SampleOptions) checkFlags(sampler string) error {
	heeds := map[string][]string{
		"--eta":      {"ddim"},
		"--variance": {"ddpm", "skip", "sample_at"},
		"--steps":    {"ddim", "ddpm"},
		"--spacing":  {"ddim"},
	}
	if o.Respaced {
		heeds["--spacing"] = heeds["--steps"]
	}
	for _, k := range o.Keys {
		if samplers, listed := heeds[string(k.From)]; listed && !slices.Contains(samplers, sampler) {
			return fault.New(fault.Usage, "diffuse sample --"+samplers[0]+" "+string(k.From)+" "+k.Value, "%s: the sampler %s does not use it", k.From, sampler)
		}
	}
	return nil
}

func sampleRun(ctx context.Context, o *SampleOptions) error {
	p, err := pickCheckpoint(o.Global, o.Given, o.Checkpoint)
	if err != nil {
		return err
	}
	c, err := train.LoadCheckpoint(p.Weights)
	if err != nil {
		return err
	}
	job, err := newSampleJob(o, p, c)
	if err != nil {
		return err
	}
	if err := job.prepareOut(); err != nil {
		return err
	}
	nets, err := job.nets()
	if err != nil {
		return err
	}
	images, seconds, err := job.draw(ctx, nets)
	if err != nil {
		return err
	}
	if err := job.write(images); err != nil {
		return err
	}
	return job.report(seconds)
}

// sampleJob is a drawing that was checked and can begin.
type sampleJob struct {
	*SampleOptions
	checkpoint *train.Checkpoint
	conf       config.Sample
	sampler    *sample.Sampler
	seeds      []uint64
	average    bool // use the moving average of the weights
	form       form
	out        string
	frames     *trajectory // for a GIF
}

// newSampleJob joins the checkpoint, the run's config and the flags.
func newSampleJob(o *SampleOptions, p picked, c *train.Checkpoint) (*sampleJob, error) {
	r, err := o.Global.LoadConfig(p.config(), o.Keys...)
	if err != nil {
		return nil, err
	}
	if p.Run != nil {
		if err := c.Agrees(train.NewContract(&r.Config, c.Image[2], c.Classes)); err != nil {
			return nil, err
		}
	}
	if c.Prediction != train.PredictsEps {
		return nil, fault.New(fault.Checkpoint, "diffuse sample RUN takes a run of a U-Net; diffuse fid --extractor takes a classifier",
			"%s is a classifier: it draws nothing", c.Path)
	}
	if err := o.checkFlags(r.Sample.Sampler); err != nil {
		return nil, err
	}
	job := &sampleJob{SampleOptions: o, checkpoint: c, conf: r.Sample, average: o.EMA || !o.Raw && c.AveragePath != ""}
	s, err := schedule.New(c.Schedule)
	if err != nil {
		return nil, err
	}
	if r.Sample.Sampler == "ddpm" && o.Respaced {
		job.sampler, err = sample.Respaced(r.Sample, s)
	} else {
		job.sampler, err = sample.New(r.Sample, s)
	}
	if err != nil {
		return nil, err
	}
	job.seeds = seedsFrom(r.Sample.Seed, r.Sample.N)
	if o.Seeds != "" {
		if job.seeds, err = parseSeeds(o.Seeds); err != nil {
			return nil, err
		}
		if n := len(job.seeds); o.Counted && n != r.Sample.N {
			return nil, fault.New(fault.Usage, "leave out --n: there is one image for each seed", "--seeds: %q has %d seeds, --n asks for %d images", o.Seeds, n, r.Sample.N)
		}
	}
	return job, job.chooseOut(p.Run)
}

// nets are the checkpoint's net, once for each worker that has images to draw.
func (j *sampleJob) nets() ([]sample.Denoiser, error) {
	net, err := j.checkpoint.Load(j.average, kernelsIn(j.conf.Precision))
	if err != nil {
		return nil, err
	}
	nets := make([]sample.Denoiser, min(j.Global.Workers, len(j.seeds)))
	share := (len(j.seeds) + len(nets) - 1) / len(nets)
	for i := range nets {
		if nets[i], err = net.Worker(min(j.conf.Batch, share), false); err != nil {
			return nil, err
		}
	}
	return nets, nil
}

// draw draws the images and measures the time.
func (j *sampleJob) draw(ctx context.Context, nets []sample.Denoiser) ([]float32, float64, error) {
	image := j.checkpoint.Image
	options := sample.Options{Batch: j.conf.Batch}
	if j.frames != nil {
		options.Watch = j.frames.watch
	}
	if j.IO.ErrIsTerminal && !j.Global.Quiet {
		bar := progressbar.NewOptions(len(j.seeds)*j.sampler.NetCalls(),
			progressbar.OptionSetWriter(j.IO.Err), progressbar.OptionSetDescription("drawing"),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
		options.Progress = func(done, _ int) { _ = bar.Set(done) } // a bar that cannot be drawn stops nothing
	}
	j.Global.Log.Info("drawing", "images", len(j.seeds), "sampler", j.sampler.Name, "net_calls", j.sampler.NetCalls(), "checkpoint", j.checkpoint.Path)
	began := time.Now()
	images, err := j.sampler.Draw(ctx, nets, sample.Shape{H: image[0], W: image[1], C: image[2]}, j.seeds, options)
	if errors.Is(err, context.Canceled) {
		return nil, 0, fault.New(fault.Interrupted, "", "interrupted: nothing was written")
	}
	return images, time.Since(began).Seconds(), err
}

// sampleJSON is the answer of sample --json.
type sampleJSON struct {
	Out        string   `json:"out"`
	Checkpoint string   `json:"checkpoint"`
	Step       int      `json:"step"`
	Weights    string   `json:"weights"` // "ema" or "raw"
	Sampler    string   `json:"sampler"`
	NetCalls   int      `json:"net_calls"` // for each image
	Precision  string   `json:"precision"`
	N          int      `json:"n"`
	Seeds      []uint64 `json:"seeds"`
	Seconds    float64  `json:"seconds"`
	ImgPerS    float64  `json:"img_per_s"`
}

// report says what was drawn and where it is.
func (j *sampleJob) report(seconds float64) error {
	n := len(j.seeds)
	a := sampleJSON{
		Out: j.out, Checkpoint: j.checkpoint.Path, Step: j.checkpoint.Step, Weights: j.weights(),
		Sampler: j.sampler.Name, NetCalls: j.sampler.NetCalls(), N: n, Seeds: j.seeds, Precision: j.conf.Precision,
		Seconds: seconds, ImgPerS: float64(n) / seconds,
	}
	if j.Global.JSON {
		return j.IO.PrintJSON(a)
	}
	_, err := fmt.Fprintf(j.IO.Out, "%s\n%d images by %s, %d net calls each, in %.1f s: %.3g images/s\n",
		a.Out, a.N, a.Sampler, a.NetCalls, a.Seconds, a.ImgPerS)
	return err
}

// weights names the weights that are used.
func (j *sampleJob) weights() string {
	if j.average {
		return "ema"
	}
	return "raw"
}
