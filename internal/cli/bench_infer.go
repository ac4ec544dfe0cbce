package cli

import (
	"context"

	"diffuse/internal/config"
	"diffuse/internal/model"
	"diffuse/internal/rng"
	"diffuse/internal/team"
)

// benchInfer runs a batch through the net, a micro-batch at a time on each
// worker.
func benchInfer(_ context.Context, c *config.Config, o *BenchOptions) (*benched, error) {
	net, err := model.New(c.Model, imagesOf(c, randomImages(c)), false, kernelsIn(c.Train.Precision))
	if err != nil {
		return nil, err
	}
	net.Measure(o.notes, o.Apart)
	net.Init(c.Train.Seed)
	workers := o.Global.Workers
	batch, sizes := c.Train.Batch, net.Sizes()
	p := newPasses(batch, sizes.Input, sizes.Output, workers, c.Sample.Batch)
	times := make([]float64, batch)
	rng.Normal(p.x, 0, rng.Noise, 0, 0)
	for i := range times {
		times[i] = float64(i % c.Schedule.Steps)
	}
	for range workers {
		hand, err := net.Worker(p.micro, false)
		if err != nil {
			return nil, err
		}
		p.hands = append(p.hands, func(y, x []float32, lo int) error {
			return hand.Predict(y, x, times[lo:lo+len(x)/sizes.Input], nil)
		})
	}
	return p.benched(net.Params().Count(), workers), nil
}

// passes are a batch's passes through a net, a micro-batch each, as jobs.
type passes struct {
	hands              []func(y, x []float32, lo int) error // one for each worker; lo is the first image
	batch, micro       int                                  // images
	inputSize, outSize int                                  // values of an image and of what the net makes of it
	x, y               []float32
}

// newPasses makes room for a batch; at most is how many images suit a worker at a
// time, less where every worker is to have a share.
func newPasses(batch, inputSize, outSize, workers, atMost int) *passes {
	return &passes{
		batch: batch, micro: min((batch+workers-1)/workers, atMost), inputSize: inputSize, outSize: outSize,
		x: make([]float32, batch*inputSize), y: make([]float32, batch*outSize),
	}
}

// Do passes micro-batch m.
func (p *passes) Do(worker, m int) error {
	lo := m * p.micro
	hi := min(p.batch, lo+p.micro)
	return p.hands[worker](p.y[lo*p.outSize:hi*p.outSize], p.x[lo*p.inputSize:hi*p.inputSize], lo)
}

// benched runs all of them on a team.
func (p *passes) benched(parameters, workers int) *benched {
	t := team.New(workers)
	return &benched{parameters, func() error { return t.Run((p.batch+p.micro-1)/p.micro, p) }, t.Close}
}
