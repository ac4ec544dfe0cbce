package model

import (
	"math"
	"slices"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/rng"
)

// The count is the lesson's (notebook 14: get_model2, 4,907,588), whose blocks
// differ in their strides only; running statistics are not in it.
func TestCountResNet(t *testing.T) {
	lesson := config.Model{Channels: []int{16, 32, 64, 128, 256, 512}}
	r, err := NewResNet(lesson, Images{Size: 32, Channels: 1, Classes: 10}, false, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	if got := r.params.Trained(); got != 4_907_588 {
		t.Errorf("%d parameters, want 4,907,588", got)
	}
	if got := CountResNet(lesson, Images{Channels: 1, Classes: 10}); got != r.params.Count() {
		t.Errorf("CountResNet says %d, the net has %d", got, r.params.Count())
	}
	if r.Dim() != 512 {
		t.Errorf("%d features, want 512", r.Dim())
	}
}

func tinyResNet(t *testing.T, kernels *kernel.Set) *ResNet {
	t.Helper()
	r, err := NewResNet(config.Model{Channels: []int{5, 9, 12}}, Images{Size: 4, Channels: 2, Classes: 3}, true, kernels)
	if err != nil {
		t.Fatal(err)
	}
	r.Init(1)
	rng.Normal(r.params.Data[:r.params.Trained()], 5, rng.Weights, 0, 9) // no symmetric start
	for i := range r.params.Data[:r.params.Trained()] {
		r.params.Data[i] *= 0.3
	}
	for _, n := range r.norms {
		fill(n.gamma.At(r.params.Data), 0.8)
	}
	r.Repack(nil)
	return r
}

func tinyImages(n int) (x, labels []float32) {
	x, labels = make([]float32, n*4*4*2), make([]float32, n)
	rng.Normal(x, 3, rng.Noise, 0, 0)
	for i := range labels {
		labels[i] = float32(i % 3)
	}
	return x, labels
}

// Every parameter's gradient agrees with differences of the loss.
func TestResNetGradients(t *testing.T) {
	for _, set := range kernel.Sets() {
		t.Run(set.Name(), func(t *testing.T) {
			r := tinyResNet(t, set)
			const n = 6
			x, labels := tinyImages(n)
			w, err := r.Worker(n, true)
			if err != nil {
				t.Fatal(err)
			}
			at := func(grad []float32) (sum float64) {
				loss := make([]float64, n)
				r.Repack(nil)
				if err := w.Gradients(grad, loss, x, labels, nil, nil, nil, 1); err != nil {
					t.Fatal(err)
				}
				for _, l := range loss {
					sum += l
				}
				return sum
			}
			grad := make([]float32, len(r.params.Data))
			at(grad)
			trash := make([]float32, len(grad))
			for i, p := range r.params.List {
				if p.Kind == Running {
					continue
				}
				d, start := make([]float32, p.Len), slices.Clone(p.At(r.params.Data))
				rng.Normal(d, 4, rng.Noise, uint64(i), 0)
				moved := func(h float32) float64 {
					for j := range d {
						p.At(r.params.Data)[j] = start[j] + h*d[j]
					}
					return at(trash)
				}
				const h = 1.0 / 4096 // short: a difference across a bend is no slope
				got, size := 0.0, 0.0
				for j, g := range p.At(grad) {
					got += float64(g) * float64(d[j])
					size += math.Abs(float64(g) * float64(d[j]))
				}
				want := (moved(h) - moved(-h)) / (2 * h)
				copy(p.At(r.params.Data), start)
				if math.Abs(got-want) > 0.02*size+5e-3 {
					t.Errorf("%s: slope %g, by differences %g", p.Name, got, want)
				}
			}
		})
	}
}

// A net whose running statistics are a batch's predicts what it sees while it
// learns from that batch: folding loses nothing, and Track measures rightly.
func TestPredictionIsFoldedFromRunningStatistics(t *testing.T) {
	r := tinyResNet(t, kernel.Best())
	const n = 6
	x, labels := tinyImages(n)
	w, err := r.Worker(n, true)
	if err != nil {
		t.Fatal(err)
	}
	loss := make([]float64, n)
	sum := make([]float32, len(r.params.Data))
	if err := w.Gradients(sum, loss, x, labels, nil, nil, nil, 1); err != nil {
		t.Fatal(err)
	}
	for range 200 { // 0.9^200: only this batch is left
		r.Track(sum, n)
	}
	for _, p := range r.norms { // PyTorch keeps the unbiased variance, and normalises by the biased one
		values := float64(n * p.pixels)
		for j := range p.variance.At(r.params.Data) {
			p.variance.At(r.params.Data)[j] *= float32((values - 1) / values)
		}
	}
	r.Repack(nil)
	y, got := make([]float32, n*3), make([]float64, n)
	if err := w.Predict(y, x, nil, nil); err != nil {
		t.Fatal(err)
	}
	r.Loss(got, y, labels)
	for i := range loss {
		if math.Abs(got[i]-loss[i]) > 1e-4*max(1, loss[i]) {
			t.Errorf("image %d: loss %g in prediction, %g in learning", i, got[i], loss[i])
		}
	}
}

// The logits are the head's of the features.
func TestFeaturesAreWhatTheHeadSees(t *testing.T) {
	r := tinyResNet(t, kernel.Best())
	const n = 5
	x, _ := tinyImages(n)
	w, err := r.Worker(n, false)
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Features(n)
	if err != nil {
		t.Fatal(err)
	}
	logits, features := make([]float32, n*3), make([]float32, n*r.Dim())
	if err := w.Predict(logits, x, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Predict(features, x, nil, nil); err != nil {
		t.Fatal(err)
	}
	data, h := r.params.Data, r.head
	for i := range n {
		for c := range 3 {
			var dot float64
			for k, v := range features[i*r.Dim():][:r.Dim()] {
				dot += float64(v) * float64(h.weight.At(data)[k*3+c])
			}
			want := (dot-float64(h.mean.At(data)[c]))/math.Sqrt(float64(h.variance.At(data)[c])+batchNormEps)*float64(h.gamma.At(data)[c]) + float64(h.beta.At(data)[c])
			if got := float64(logits[i*3+c]); math.Abs(got-want) > 1e-4*max(1, math.Abs(want)) {
				t.Errorf("image %d, class %d: logit %g, want %g", i, c, got, want)
			}
		}
	}
}
