package cli

import (
	"context"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/model"
	"diffuse/internal/rng"
	"diffuse/internal/team"
)

// benchInfer runs a batch through the net, a micro-batch at a time on each
// worker.
func benchInfer(_ context.Context, c *config.Config, o *BenchOptions) (*benched, error) {
	channels := dataset.Channels(c.Data.Set)
	net, err := model.NewUNet(c.Model, c.Data.Size, channels, false, kernelsIn(c.Train.Precision))
	if err != nil {
		return nil, err
	}
	net.Measure(o.notes, o.Apart)
	net.Init(c.Train.Seed, c.Model.Init == "ddpm")
	workers := o.Global.Workers
	batch, size := c.Train.Batch, c.Data.Size*c.Data.Size*channels
	p := &predictions{
		micro: min((batch+workers-1)/workers, c.Sample.Batch), // every worker has a share
		size:  size, x: make([]float32, batch*size), y: make([]float32, batch*size), times: make([]float64, batch),
	}
	rng.Normal(p.x, 0, rng.Noise, 0, 0)
	for i := range p.times {
		p.times[i] = float64(i % c.Schedule.Steps)
	}
	for range workers {
		hand, err := net.Worker(p.micro, false)
		if err != nil {
			return nil, err
		}
		p.hands = append(p.hands, hand)
	}
	t := team.New(workers)
	return &benched{net, func() error { return t.Run((batch+p.micro-1)/p.micro, p) }, t.Close}, nil
}

// predictions are a batch's micro-batches as jobs.
type predictions struct {
	hands       []model.Worker // one for each worker
	micro, size int            // images of a micro-batch, values of an image
	x, y        []float32
	times       []float64
}

// Do predicts micro-batch m.
func (p *predictions) Do(worker, m int) error {
	lo := m * p.micro
	hi := min(len(p.times), lo+p.micro)
	return p.hands[worker].Predict(p.y[lo*p.size:hi*p.size], p.x[lo*p.size:hi*p.size], p.times[lo:hi])
}
