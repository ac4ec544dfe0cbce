package cli

import (
	"context"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/judge"
	"diffuse/internal/model"
	"diffuse/internal/rng"
)

// newBenchExtract is `diffuse bench extract`.
func newBenchExtract(stdio *IO, g *Global) *cobra.Command {
	o := &BenchOptions{IO: stdio, Global: g}
	name, images, precision := "", 64, ""
	cmd := &cobra.Command{
		Use:   "extract",
		Short: "Time the extractors of features that score images",
		Long: help(`Time the extractors of features that score images: images of 32×32 pixels a
second. Inception runs with random weights, so nothing needs to be fetched.`, fault.Interrupted),
		Example: `  diffuse bench extract --extractor inception --precision bf16
  diffuse bench extract --extractor fashion-resnet --batch 512 --profile`,
		Args: noArguments("--extractor"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := &config.Resolved{Config: config.Default()}
			r.Name, r.Train.Precision, r.Train.Batch = name, precision, images
			if images < 1 {
				return fault.New(fault.Usage, "", "--batch: must be at least 1, got %d", images)
			}
			if err := checkPrecision("--precision", precision); err != nil {
				return err
			}
			return benchRun(cmd.Context(), o, "extract", r, benchExtract)
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "extractor", judge.FashionResNet, "`fashion-resnet` or inception")
	f.IntVar(&images, "batch", 64, "images a run")
	f.StringVar(&precision, "precision", "fp32", "what the net multiplies in")
	f.IntVar(&o.Runs, "reps", 5, "timed runs")
	f.IntVar(&o.Warmup, "warmup", 1, "runs before them that are not counted")
	f.BoolVar(&o.Profile, "profile", false, "say where the time goes, beside what the work would take at this machine's peak")
	completePrecision(cmd)
	complete(cmd, "extractor", judge.FashionResNet, dataset.Inception)
	return cmd
}

// extracting is one worker's pass over images.
type extracting func(features, x []float32) error

// extractor is a net to extract with.
type extractor struct {
	worker     func(n int) (extracting, error)
	micro      int // images that suit a worker
	size, dim  int // values of an image, and of its features
	parameters int
}

// benchExtract passes a batch of random images through an extractor, a
// micro-batch at a time on each worker.
func benchExtract(_ context.Context, c *config.Config, o *BenchOptions) (*benched, error) {
	e, err := newExtractor(c, o)
	if err != nil {
		return nil, err
	}
	workers := o.Global.Workers
	p := newPasses(c.Train.Batch, e.size, e.dim, workers, e.micro)
	rng.Uniforms(p.x, 0, rng.Noise, 0, 0)
	for range workers {
		extract, err := e.worker(p.micro)
		if err != nil {
			return nil, err
		}
		p.hands = append(p.hands, func(y, x []float32, _ int) error { return extract(y, x) })
	}
	return p.benched(e.parameters, workers), nil
}

// benchSide is the height and width of the images, those of our data sets.
const benchSide = 32

// newExtractor is the net that c names, with random weights.
func newExtractor(c *config.Config, o *BenchOptions) (*extractor, error) {
	switch c.Name {
	case judge.FashionResNet:
		return benchedClassifier(c, o)
	case dataset.Inception:
		return benchedInception(c, o)
	}
	return nil, fault.New(fault.Usage, "", "--extractor: must be %s or %s, got %q", judge.FashionResNet, dataset.Inception, c.Name)
}

func benchedClassifier(c *config.Config, o *BenchOptions) (*extractor, error) {
	r, err := model.NewResNet(config.Model{Channels: []int{16, 32, 64, 128, 256, 512}}, model.Images{Size: benchSide, Channels: 1, Classes: 10}, false, kernelsIn(c.Train.Precision))
	if err != nil {
		return nil, err
	}
	r.Measure(o.notes, o.Apart)
	r.Init(0)
	return &extractor{
		worker: func(n int) (extracting, error) {
			w, err := r.Features(n)
			return func(features, x []float32) error { return w.Predict(features, x, nil, nil) }, err
		},
		micro: 64, size: benchSide * benchSide, dim: r.Dim(), parameters: r.Params().Count(),
	}, nil
}

func benchedInception(c *config.Config, o *BenchOptions) (*extractor, error) {
	net, err := model.NewInception(2048, kernelsIn(c.Train.Precision))
	if err != nil {
		return nil, err
	}
	net.Measure(o.notes, o.Apart)
	b := &extractor{micro: 8, size: benchSide * benchSide * 3, dim: net.Dims()}
	shapes := net.Tensors()
	err = net.Load(func(name string) ([]float32, error) {
		w := make([]float32, elements(shapes[name]))
		rng.Uniforms(w, 0, rng.Weights, 0, 0)
		for i := range w {
			w[i] *= 0.01 // so that nothing overflows
		}
		b.parameters += len(w)
		return w, nil
	})
	b.worker = func(n int) (extracting, error) {
		e, err := net.Extractor(n, benchSide, benchSide, 3)
		if err != nil {
			return nil, err
		}
		return e.Features, nil
	}
	return b, err
}

// elements is how many a tensor of this shape has.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
