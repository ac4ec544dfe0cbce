package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/judge"
	"diffuse/internal/run"
	"diffuse/internal/sample"
)

// ScoreOptions are the options of diffuse fid and diffuse kid.
type ScoreOptions struct {
	SampleOptions
	JudgeOptions
	Images     string // a folder or an .npy to score instead of drawing
	Range      string // of the numbers in an .npy of floats
	Trajectory string // where to write the scores of x0_hat along the way; empty for none
	Levels     string // where to write the scores of real images drawn anew; empty for none
	Nearest    string // where to draw samples beside their nearest training images
	kidFirst   bool
	count      int // --samples where it was given
}

// defaultSamples is the lesson's n.
const defaultSamples = "2048"

// NewFID is `diffuse fid`.
func NewFID(stdio *IO, g *Global) *cobra.Command {
	return newScore(stdio, g, "fid", "Say how good images are: FID, KID, precision and recall, beside the floor", false)
}

// NewKID is `diffuse kid`: the same scores in another order.
func NewKID(stdio *IO, g *Global) *cobra.Command {
	return newScore(stdio, g, "kid", "Say how good images are, KID first", true)
}

func newScore(stdio *IO, g *Global, name, short string, kidFirst bool) *cobra.Command {
	o := &ScoreOptions{SampleOptions: SampleOptions{IO: stdio, Global: g}, kidFirst: kidFirst}
	cmd := &cobra.Command{
		Use:   name + " [RUN|FILE]",
		Short: short,
		Long: help(short+`.

Draws images with a net as diffuse sample does (the newest run's where none is
named, the binary's where there are no runs), or takes those of any program by
--images, and compares them with real ones. A score is printed with all that it
means nothing without:

  FID 3.73 [n=2048 · ref fashion-mnist/test 10000 · extractor fashion-resnet@3fe1 · floor 1.91 · 95 % 3.5–4.0]

n is how many images were scored: FID falls as n grows, so only scores of one n
compare. ref is the real images, extractor the net whose features are compared
and the beginning of its weights' hash, floor the score of as many real images
that are not in the reference: no model can be expected to do better. The
interval is what other samples of the same model would score.

Drawn images are scored as the bytes they would be saved as. Features of real
images and floors are kept in a cache, under the hash of what they depend on.
docs/scores.md says how everything is computed. The score of a run is added to
its record.`, fault.Checkpoint, fault.Data, fault.Interrupted),
		Example: fmt.Sprintf(`  diffuse %[1]s --samples 2048
  diffuse %[1]s clothes --ddim --steps 100
  diffuse %[1]s --images pictures/ --ref fashion-mnist/test
  diffuse %[1]s clothes --extractor inception --precision bf16
  diffuse %[1]s clothes --trajectory way.png --steps 50
  diffuse %[1]s clothes --levels levels.png
  diffuse %[1]s clothes --nearest nearest.png`, name),
		Args:              arguments("a RUN or FILE", 0, 1),
		ValidArgsFunction: completeNets(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Given = given(args)
			if err := o.readFlags(cmd.Flags()); err != nil {
				return err
			}
			if err := o.readCount(cmd.Flags()); err != nil {
				return err
			}
			if !o.Counted {
				o.Keys = append(o.Keys, config.Override{Key: "sample.n", Value: defaultSamples, From: "--samples"})
			}
			return scoreRun(cmd.Context(), o)
		},
	}
	o.addDrawFlags(cmd, "samples")
	o.addJudgeFlags(cmd, g)
	f := cmd.Flags()
	f.StringVar(&o.Images, "images", "", "score the pictures of a `FOLDER` or an .npy instead of drawing any")
	f.StringVar(&o.Range, "range", "", "what black and white are in an .npy of floats, as `LO,HI`")
	f.StringVar(&o.Trajectory, "trajectory", "", "score x0_hat along the way as well, to `FILE`.png and .csv")
	f.StringVar(&o.Levels, "levels", "", "score real images drawn anew from under more and more noise as well, to `FILE`.png and .csv")
	f.StringVar(&o.Nearest, "nearest", "", "draw samples beside their nearest training images to `FILE`.png, and count near-copies")
	for _, drawing := range []string{
		"trajectory", "levels", "nearest", "checkpoint", "ema", "raw", "seed", "seeds", "sampler", "ddim", "ddpm", "skip", "sample-at",
		"steps", "eta", "spacing", "variance", "clip", "batch", "precision",
	} {
		cmd.MarkFlagsMutuallyExclusive("images", drawing)
	}
	cmd.MarkFlagsMutuallyExclusive("trajectory", "levels", "nearest")
	g.AddSetFlag(cmd)
	return cmd
}

// ScoreResult is a score and what was scored.
type ScoreResult struct {
	eval.Score
	Checkpoint string   `json:"checkpoint,omitempty"`
	Weights    string   `json:"weights,omitempty"` // "raw" or "ema"
	Images     string   `json:"images,omitempty"`  // where they were not drawn
	Sampler    string   `json:"sampler,omitempty"`
	NetCalls   int      `json:"net_calls,omitempty"` // an image
	FirstSeed  *uint64  `json:"first_seed,omitempty"`
	Seconds    float64  `json:"seconds"`
	Files      []string `json:"files,omitempty"`

	Trajectory []judge.Point `json:"trajectory,omitempty"`
	Levels     []judge.Level `json:"levels,omitempty"`

	drawn string      // config.Drawing, and the seeds where they are a list
	run   *run.Folder // whose net drew the images; nil where none did
	step  int         // of its checkpoint
}

func scoreRun(ctx context.Context, o *ScoreOptions) error {
	began := time.Now()
	r, err := scored(ctx, o)
	if errors.Is(err, context.Canceled) {
		return fault.New(fault.Interrupted, "", "interrupted: features of real images that were finished are in the cache")
	}
	if err != nil {
		return err
	}
	r.Seconds = round(time.Since(began).Seconds(), 3)
	for _, w := range r.Warnings {
		o.Global.Log.Warn(w)
	}
	if err := r.record(); err != nil { // a run that cannot be written to can still be scored
		o.Global.Log.Warn("the score is not in the run's record", "error", err)
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(r)
	}
	return o.print(r)
}

// scored is the score of what the options name.
func scored(ctx context.Context, o *ScoreOptions) (*ScoreResult, error) {
	o.rows = o.kidFirst || o.Nearest != ""
	if o.Images != "" {
		return scorePictures(ctx, o)
	}
	if err := o.checkDrawing(); err != nil {
		return nil, err
	}
	job, err := newSampleJob(&o.SampleOptions)
	if err != nil {
		return nil, err
	}
	if o.Levels != "" && job.conf.Class != "" {
		return nil, fault.New(fault.Usage, "diffuse fid --levels "+o.Levels+" --class ''", "--levels: begins at real images of all classes, sample.class is %s", job.conf.Class)
	}
	c := job.checkpoint
	j, err := o.judge(ctx, o.IO, o.Global, c.DataSet)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	nets, err := job.nets()
	if err != nil {
		return nil, err
	}
	drawn := job.drawn(nets)
	r := &ScoreResult{
		Checkpoint: c.Path, Weights: job.weights(), Sampler: job.sampler.Name, NetCalls: job.sampler.NetCalls(), FirstSeed: &job.seeds[0],
		drawn: job.drawing, run: job.run, step: c.Step,
	}
	switch {
	case o.Trajectory != "":
		return r, o.scoreWay(ctx, j, drawn, r)
	case o.Levels != "":
		return r, o.scoreLevels(ctx, j, drawn, r, c.DataSet)
	case o.Nearest != "":
		return r, o.scoreNearest(ctx, j, drawn, r, c.DataSet)
	}
	return r, o.score(ctx, j, drawn, r)
}

// record adds the score to the log of the run whose net drew the images.
func (r *ScoreResult) record() error {
	if r.run == nil || r.FID == nil {
		return nil
	}
	return run.Append(*r.run, run.ScoreLine{
		Event: "score", Time: run.Timestamp(time.Now()), Step: r.step, Weights: r.Weights, Checkpoint: filepath.Base(r.Checkpoint),
		Sampler: r.Sampler, NetCalls: r.NetCalls, Seconds: r.Seconds, Drawn: r.drawn, Score: r.Score,
	})
}

// checkDrawing refuses what would fail only after the images are drawn, and what
// drawing would not heed.
func (o *ScoreOptions) checkDrawing() error {
	if o.Range != "" {
		return fault.New(fault.Usage, "", "--range: is that of an .npy of --images")
	}
	if o.Nearest != "" && !strings.EqualFold(filepath.Ext(o.Nearest), ".png") {
		return fault.New(fault.Usage, "", "--nearest: %s must end in .png", o.Nearest)
	}
	for _, path := range []string{o.Nearest, o.Trajectory, o.Levels} {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return fmt.Errorf("cannot write pictures: %w", err)
		}
	}
	return nil
}

// score scores images into r.
func (o *ScoreOptions) score(ctx context.Context, j *judge.Judge, im judge.Images, r *ScoreResult) error {
	s, err := j.Score(ctx, im)
	if err != nil {
		return err
	}
	r.Score = *s
	return nil
}

// print writes the scores, each with its terms, for people.
func (o *ScoreOptions) print(r *ScoreResult) error {
	lines := []string{r.FIDLine(), r.KIDLine(), r.CoverageLine()}
	if c := r.Copies; c != nil {
		lines = append(lines, fmt.Sprintf("%d near-copies of training images; of as many real images one expects %.1f", c.Count, c.Expected))
	}
	if o.kidFirst {
		lines[0], lines[1] = lines[1], lines[0]
	}
	what := "images " + r.Images
	if r.Checkpoint != "" {
		what = fmt.Sprintf("%s, %s weights, %s with %d net calls", r.Checkpoint, r.Weights, r.Sampler, r.NetCalls)
	}
	for _, line := range lines {
		if line != "" {
			fmt.Fprintln(o.IO.Out, line)
		}
	}
	_, err := fmt.Fprintf(o.IO.Out, "  of %s, in %s\n", what, shortTime(time.Duration(r.Seconds*float64(time.Second))))
	for _, f := range r.Files {
		fmt.Fprintln(o.IO.Out, "  "+f)
	}
	return err
}

// drawn are the job's images, drawn by nets when they are asked for.
func (j *sampleJob) drawn(nets []sample.Pair) *judge.Drawn {
	return &judge.Drawn{
		Sampler: j.sampler, Nets: nets, ImgSize: j.shape(), Range: j.checkpoint.Range, Seeds: j.seeds,
		Options: sample.Options{Batch: j.conf.Batch},
	}
}
