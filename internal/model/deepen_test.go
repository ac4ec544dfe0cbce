package model

import (
	"math"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/kernel"
)

// newDeep is a small net with two more pairs of blocks in its middle.
func newDeep(t *testing.T) *UNet {
	t.Helper()
	cfg := small
	cfg.MidExtra = 2
	u, err := NewUNet(cfg, Images{Size: 8, Channels: 3}, true, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The names are those of diffusers' UNetMidBlock2D with num_layers 3, and so are the
// numbers: two ResNet blocks and two attentions of 24 channels more, embeddings of 48.
func TestMiddleIsDiffusers(t *testing.T) {
	const (
		c, temb = 24, 48
		resnet  = 2*(2*c) + 2*(9*c*c+c) + temb*c + c
		attend  = 2*c + 4*(c*c+c)
	)
	deep, shallow := newDeep(t), newSmall(t, false)
	if more := deep.params.Count() - shallow.params.Count(); more != 2*(resnet+attend) {
		t.Errorf("%d parameters more, want %d", more, 2*(resnet+attend))
	}
	for _, name := range []string{"mid_block.attentions.2.to_out.0.weight", "mid_block.resnets.3.conv2.bias"} {
		if !slices.ContainsFunc(deep.params.List, func(p *Param) bool { return p.Name == name }) {
			t.Errorf("it has no %s", name)
		}
	}
}

// A net deepened says what the shallow one says, to the bit, and its new blocks learn.
func TestDeepened(t *testing.T) {
	x, target, times := twoImages()
	shallow, deep := newSmall(t, true), newDeep(t)
	deep.Deepen(&shallow.params, 7)
	y, want := make([]float32, len(x)), make([]float32, len(x))
	for u, y := range map[*UNet][]float32{shallow: want, deep: y} {
		w, err := u.Worker(len(times), false)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Predict(y, x, times, nil); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(y, want) {
		t.Errorf("it is off by %g", largestDifference(y, want))
	}

	w, err := deep.Worker(len(times), true)
	if err != nil {
		t.Fatal(err)
	}
	grad := make([]float32, deep.params.Count())
	if err := w.Gradients(grad, make([]float64, len(times)), x, target, times, nil, nil, 1); err != nil {
		t.Fatal(err)
	}
	for _, p := range deep.params.List {
		last := strings.Contains(p.Name, "conv2.weight") || strings.Contains(p.Name, "to_out.0.weight")
		if last && strings.HasPrefix(p.Name, "mid_block") && norm2(p.At(grad)) == 0 {
			t.Errorf("%s learns nothing", p.Name)
		}
	}
}

// Gradients of the new blocks are the differences that a small step makes.
func TestDeepGradients(t *testing.T) {
	x, target, times := twoImages()
	deep := newDeep(t)
	deep.Init(1)
	w, err := deep.Worker(len(times), true)
	if err != nil {
		t.Fatal(err)
	}
	loss, grad := make([]float64, len(times)), make([]float32, deep.params.Count())
	lossAt := func() float64 {
		deep.Repack(nil)
		clear(grad)
		if err := w.Gradients(grad, loss, x, target, times, nil, nil, 1); err != nil {
			t.Fatal(err)
		}
		return loss[0] + loss[1]
	}
	for _, p := range deep.params.List {
		if !strings.HasPrefix(p.Name, "mid_block.attentions.2.") && !strings.HasPrefix(p.Name, "mid_block.resnets.2.") {
			continue
		}
		lossAt()
		along := slices.Clone(p.At(grad)) // the direction of the gradient has the largest difference
		slope := norm2(along)
		if slope < 1e-3 { // such as that of to_k's bias, which softmax takes away
			continue
		}
		values, was := p.At(deep.params.Data), slices.Clone(p.At(deep.params.Data))
		const step = 3e-3
		side := func(sign float64) float64 {
			for i := range values {
				values[i] = was[i] + float32(sign*step*float64(along[i])/slope)
			}
			return lossAt()
		}
		got := (side(1) - side(-1)) / (2 * step)
		copy(values, was)
		if math.Abs(got-slope) > 0.01*slope {
			t.Errorf("%s: a step changes the loss by %g a unit, the gradient says %g", p.Name, got, slope)
		}
	}
}
