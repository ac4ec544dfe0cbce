package model

import (
	"fmt"
	"math"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/tensorfile"
)

// TestGoldenResNet compares one learning step and the prediction after it with
// PyTorch's (testdata/resnet.py).
func TestGoldenResNet(t *testing.T) {
	f, err := tensorfile.OpenSafetensors("testdata/resnet.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read := func(name string) []float32 {
		x, err := f.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, set := range kernel.Sets() {
		for _, p := range []struct {
			kernel.Precision
			y, grad float64
		}{{kernel.FP32, 1e-5, 1e-4}, {kernel.BF16, 3e-2, 5e-2}} {
			t.Run(fmt.Sprintf("%s/%s", set.Name(), p.Precision), func(t *testing.T) {
				checkResNet(t, read, f.Shape("x"), set.In(p.Precision), p.y, p.grad)
			})
		}
	}
}

func checkResNet(t *testing.T, read func(string) []float32, shape []int, kernels *kernel.Set, yTolerance, gradTolerance float64) {
	n, channels, size := shape[0], shape[1], shape[2]
	r, err := NewResNet(config.Model{Channels: []int{4, 6, 9}}, Images{Size: size, Channels: channels, Classes: 5}, true, kernels)
	if err != nil {
		t.Fatal(err)
	}
	data := r.params.Data
	for _, p := range r.params.List {
		if err := p.FromTorch(data, read("weights."+p.Name)); err != nil {
			t.Fatal(err)
		}
	}
	r.Repack(nil)
	x := nhwc(read("x"), n, channels)
	w, err := r.Worker(n, true)
	if err != nil {
		t.Fatal(err)
	}
	loss, grad := make([]float64, n), make([]float32, len(data))
	if err := w.Gradients(grad, loss, x, read("labels"), nil, nil, nil, 1/float32(n)); err != nil {
		t.Fatal(err)
	}
	var mean float64
	for _, l := range loss {
		mean += l / float64(n)
	}
	if want := float64(read("loss")[0]); math.Abs(mean-want) > yTolerance {
		t.Errorf("loss %g, PyTorch's %g", mean, want)
	}
	all := norm2(grad[:r.params.Trained()])
	r.Track(grad, n)
	for _, p := range r.params.List {
		got := make([]float32, p.Len)
		if p.Kind == Running {
			checkNear(t, p.Name, p.At(data), read("running."+p.Name), yTolerance)
			copy(p.At(data), read("running."+p.Name))
			continue
		}
		p.ToTorch(got, grad)
		want := read("grads." + p.Name)
		for i := range got {
			got[i] -= want[i]
		}
		// A bias before a norm has a gradient of zero: what stands there is rounding.
		if diff := norm2(got); !(diff <= gradTolerance*norm2(want)+1e-2*gradTolerance*all) {
			t.Errorf("gradient of %s is off by %g of %g", p.Name, diff, norm2(want))
		}
	}
	r.Repack(nil)
	features, err := r.Features(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		name string
		w    Worker
		size int
	}{{"y", w, 5}, {"features", features, r.Dim()}} {
		got := make([]float32, n*part.size)
		if err := part.w.Predict(got, x, nil, nil); err != nil {
			t.Fatal(err)
		}
		checkNear(t, part.name, got, read(part.name), yTolerance)
	}
}

func checkNear(t *testing.T, name string, got, want []float32, tolerance float64) {
	t.Helper()
	for i := range want {
		if e := math.Abs(float64(got[i]) - float64(want[i])); !(e <= tolerance*max(1, math.Abs(float64(want[i])))) {
			t.Fatalf("%s[%d] is %g, PyTorch's is %g", name, i, got[i], want[i])
		}
	}
}
