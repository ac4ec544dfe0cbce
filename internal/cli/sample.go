package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/model"
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

// NewSample is `diffuse sample`, which draws images.
func NewSample(stdio *IO, g *Global) *cobra.Command {
	o := &SampleOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "sample [RUN|FILE]",
		Short: "Draw images with a net that was trained",
		Long: help(`Draw images with a run's net, or with a checkpoint file: the newest run where
none is named, fashion-best, the net in the binary, where there are no runs. The
sampler and its steps are those of the run's config unless flags say otherwise.

docs/samplers.md says what the samplers compute, how often they call the net and
what each is good for.

An image is its seed: the image of seed s is the same whatever the number of
images, the batch or the workers. In bf16 it differs a little from fp32.

--out decides the form by its ending: .png is a grid, .npy float32 (N,C,H,W) in
the range the net was trained in, .gif the way from noise to images, and a name
without an ending a folder of PNGs. Without it a grid goes to RUN/samples.
train-images-idx3-ubyte.gz is a data set of Fashion-MNIST's form, labels beside it,
to train on by --data.`, fault.Checkpoint, fault.Interrupted),
		Example: `  diffuse sample
  diffuse sample --ddim --steps 100 --n 64
  diffuse sample quick-calm-otter --seeds 0-63 --out seeds/
  diffuse sample runs/quick-calm-otter/best.safetensors --ddpm --variance fixed_small
  diffuse sample fashion-best --sampler dpmpp_2m --steps 20
  diffuse sample clothes --guidance 2 --guide epoch-0004
  diffuse sample --sampler heun --steps 20 --set sample.churn=0.5
  diffuse sample --ddim --eta 0 --n 9 --out drawing.gif`,
		Args:              arguments("a RUN or FILE", 0, 1),
		ValidArgsFunction: completeNets(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Given = given(args)
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

func sampleRun(ctx context.Context, o *SampleOptions) error {
	job, err := newSampleJob(o)
	if err != nil {
		return err
	}
	if err := job.chooseOut(); err != nil {
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
	run        *run.Folder       // that it belongs to; nil for a file that lies in none
	guide      *train.Checkpoint // that guides it; nil where none does
	conf       config.Sample
	drawing    string // as scores record it
	sampler    *sample.Sampler
	seeds      []uint64
	average    bool // use the moving average of the weights that lies beside them
	form       form
	out        string
	frames     *trajectory // for a GIF
}

// newSampleJob joins the checkpoint, the run's config and the flags.
func newSampleJob(o *SampleOptions) (*sampleJob, error) {
	p, c, err := openNet(o.Global, o.Given, o.Checkpoint)
	if err != nil {
		return nil, err
	}
	r, err := o.Global.LoadConfig(p.config(), o.Keys...)
	if err != nil {
		return nil, err
	}
	if p.Builtin && p.Weights != train.Last { // of the net before it was deepened
		r.Model = c.Net
	}
	if p.config() != "" {
		if err := c.Agrees(train.NewContract(&r.Config, c.Image[2], c.Classes)); err != nil {
			return nil, err
		}
	}
	if !c.Draws() {
		return nil, fault.New(fault.Checkpoint, "diffuse sample RUN takes a run of a U-Net; diffuse fid --extractor takes a classifier",
			"%s is a classifier: it draws nothing", c.Path)
	}
	if err := o.checkFlags(r.Sample.Sampler); err != nil {
		return nil, err
	}
	if o.Raw && c.Embedded() {
		return nil, fault.New(fault.Checkpoint, "leave out --raw", "%s holds averaged weights alone", c.Path)
	}
	job := &sampleJob{SampleOptions: o, checkpoint: c, run: p.Run, conf: r.Sample}
	job.average = !c.Embedded() && (o.EMA || !o.Raw && c.AveragePath != "")
	if job.guide, err = p.guide(c, r.Sample); err != nil {
		return nil, err
	}
	if err := c.CheckGuidance(r.Sample); err != nil {
		return nil, err
	}
	s, err := schedule.New(c.Schedule)
	if err != nil {
		return nil, err
	}
	if r.Sample.Sampler == "ddpm" && o.Respaced {
		job.sampler, err = sample.Respaced(r.Sample, s, c.ClassNames())
	} else {
		job.sampler, err = sample.New(r.Sample, s, c.ClassNames())
	}
	if err != nil {
		return nil, err
	}
	job.seeds, job.drawing = sample.Seeds(r.Sample.Seed, r.Sample.N), r.Drawing()
	if o.Seeds != "" {
		job.drawing += " seeds=" + o.Seeds
		if job.seeds, err = parseSeeds(o.Seeds); err != nil {
			return nil, err
		}
		if n := len(job.seeds); o.Counted && n != r.Sample.N {
			return nil, fault.New(fault.Usage, "leave out --n: there is one image for each seed", "--seeds: %q has %d seeds, --n asks for %d images", o.Seeds, n, r.Sample.N)
		}
	}
	return job, nil
}

// shape is an image's.
func (j *sampleJob) shape() sample.Shape {
	im := j.checkpoint.Image
	return sample.Shape{H: im[0], W: im[1], C: im[2]}
}

// nets are the checkpoint's net and its guide, once for each worker that has images
// to draw.
func (j *sampleJob) nets() ([]sample.Pair, error) {
	net, err := j.checkpoint.Load(j.average, kernelsIn(j.conf.Precision))
	if err != nil {
		return nil, err
	}
	var guide model.Net
	if j.guide != nil {
		if guide, err = j.guide.Load(j.guide.AveragePath != "", kernelsIn(j.conf.Precision)); err != nil {
			return nil, err
		}
	}
	pairs := make([]sample.Pair, min(j.Global.Workers, len(j.seeds)))
	share := (len(j.seeds) + len(pairs) - 1) / len(pairs)
	for i := range pairs {
		if pairs[i].Net, err = net.Worker(min(j.conf.Batch, share), false); err != nil {
			return nil, err
		}
		if guide == nil {
			continue
		}
		if pairs[i].Guide, err = guide.Worker(min(j.conf.Batch, share), false); err != nil {
			return nil, err
		}
	}
	return pairs, nil
}

// draw draws the images and measures the time.
func (j *sampleJob) draw(ctx context.Context, nets []sample.Pair) ([]float32, float64, error) {
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
	images, err := j.sampler.Draw(ctx, nets, j.shape(), j.seeds, options)
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
	if j.average || j.checkpoint.Embedded() {
		return "ema"
	}
	return "raw"
}
