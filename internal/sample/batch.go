package sample

import (
	"fmt"

	"diffuse/internal/rng"
)

// prediction is what one call of the net says of a batch.
type prediction struct{ x0, eps []float32 }

// batch is images on their way, with one pair of nets.
type batch struct {
	*drawing
	pair        Pair
	first       int
	seeds       []uint64
	x, next, z  []float32    // x_t, x_s and noise
	predictions []prediction // the newest first, as many as the sampler reads
	t           []float64
	class       []int     // of each image; nil for a net that knows none
	unguided    []float32 // what the net says by itself; empty where nothing guides
	worse       []float32 // what that says which guides
}

func (d *drawing) newBatch(pair Pair, first, n int) *batch {
	size := n * d.shape.Len()
	buffer := make([]float32, (5+2*d.Past)*size)
	slot := func() []float32 {
		s := buffer[:size:size]
		buffer = buffer[size:]
		return s
	}
	b := &batch{
		drawing: d, pair: pair, first: first, seeds: d.seeds[first : first+n],
		x: slot(), next: slot(), z: slot(), t: make([]float64, n),
		predictions: make([]prediction, 1+d.Past),
	}
	for i := range b.predictions {
		b.predictions[i] = prediction{slot(), slot()}
	}
	b.class = d.Classes(b.seeds)
	if len(d.Guidances) > 0 {
		b.unguided, b.worse = make([]float32, size), make([]float32, size)
	}
	return b
}

// noise fills dst with each image's own numbers of a stream.
func (b *batch) noise(dst []float32, stream rng.Stream, step int) {
	size := b.shape.Len()
	for i, seed := range b.seeds {
		rng.Normal(dst[i*size:(i+1)*size], seed, stream, 0, uint64(step))
	}
}

// step takes step k: b.x becomes x_s.
func (b *batch) step(k int) error {
	step := b.Steps[k]
	if step.Churn.Z != 0 {
		b.noise(b.z, rng.SampleStep, k)
		step.Churn.apply(b.x, b.x, b.x, b.x, b.z) // x and z alone have weights
	}
	if step.Call {
		if err := b.call(b.x, step.T, step.Alphabar); err != nil {
			return err
		}
	}
	b.denoise(b.x, step.Alphabar)
	said := b.predictions[0]
	u := b.Update(b.Steps[:k+1])
	if u.Z != 0 {
		b.noise(b.z, rng.SampleStep, k)
	}
	b.apply(u)
	if step.Correct {
		if err := b.call(b.next, step.TPrev, step.AlphabarPrev); err != nil {
			return err
		}
		b.denoise(b.next, step.AlphabarPrev)
		b.apply(b.Correct(step))
	}
	if b.options.Watch != nil {
		b.options.Watch(State{b.first, len(b.seeds), k, step.T, b.x, said.x0, said.eps, b.next})
	}
	b.x, b.next = b.next, b.x
	return nil
}

// call asks the net for the noise in x, which is at alphabar: the newest
// prediction's eps_hat. The oldest prediction gives way.
func (b *batch) call(x []float32, t, alphabar float64) error {
	last := len(b.predictions) - 1
	oldest := b.predictions[last]
	copy(b.predictions[1:], b.predictions[:last])
	b.predictions[0] = oldest
	for i := range b.t {
		b.t[i] = t
	}
	if err := b.predict(b.pair.Net, oldest.eps, x, b.class); err != nil {
		return err
	}
	if err := b.guide(oldest.eps, x, alphabar); err != nil {
		return err
	}
	if b.Velocity {
		noiseOf(oldest.eps, x, alphabar)
	}
	return nil
}

// predict calls a net, once for each image.
func (b *batch) predict(net Denoiser, dst, x []float32, class []int) error {
	if err := net.Predict(dst, x, b.t, class); err != nil {
		return fmt.Errorf("sample: net at t = %v: %w", b.t[0], err)
	}
	b.report(len(b.seeds))
	return nil
}

// denoise finds the newest prediction's x0_hat in x.
func (b *batch) denoise(x []float32, alphabar float64) {
	p := b.predictions[0]
	x0Hat(p.x0, x, p.eps, alphabar, b.Clip)
	if b.Slope && len(b.Clip) == 2 {
		slope(p.eps, x, p.x0, alphabar)
	}
}

// apply makes b.next out of b.x and the predictions.
func (b *batch) apply(u Update) {
	newest := b.predictions[0]
	u.apply(b.next, newest.x0, b.x, newest.eps, b.z)
	u.applyPast(b.next, b.predictions[1:])
}
