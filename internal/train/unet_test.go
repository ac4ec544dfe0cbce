package train

import (
	"fmt"
	"runtime/debug"
	"slices"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
)

// smallTrainer trains a small U-Net with all kinds of layers.
func smallTrainer(t *testing.T, kernels *kernel.Set, workers int, ema float64) *Trainer {
	t.Helper()
	c := toyConfig()
	c.Train.EMA = ema
	c.Data.Size = 16
	c.Model = config.Model{Kind: config.UNet, Channels: []int{8, 24}, Layers: 1, Attention: []bool{false, true}, HeadDim: 8, Groups: 4, Init: "default"}
	net, err := model.NewUNet(c.Model, model.Images{Size: c.Data.Size, Channels: 1}, true, kernels)
	if err != nil {
		t.Fatal(err)
	}
	net.Init(1)
	s := toySetup(t, c, "")
	s.Net, s.Kernels, s.Workers = net, kernels, workers
	return newTrainer(t, s)
}

// trained is the weights of a small U-Net after some steps.
func trained(t *testing.T, kernels *kernel.Set, workers int) []float32 {
	t.Helper()
	tr := smallTrainer(t, kernels, workers, .99)
	for range 3 {
		if err := tr.OneStep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return tr.Net.Params().Data
}

// A net's bits depend neither on the number of workers nor on a garbage
// collector that runs all the time: assembly is neither stopped nor moved.
func TestTrainingUnderGarbageCollection(t *testing.T) {
	for _, set := range kernel.Sets() {
		for _, precision := range []kernel.Precision{kernel.FP32, kernel.BF16} {
			t.Run(fmt.Sprintf("%s/%s", set.Name(), precision), func(t *testing.T) {
				kernels := set.In(precision)
				want := trained(t, kernels, 1)
				defer debug.SetGCPercent(debug.SetGCPercent(1))
				for _, workers := range []int{1, 2, 8} {
					if !slices.Equal(trained(t, kernels, workers), want) {
						t.Errorf("%d workers and GOGC=1 give other weights than one and no collections", workers)
					}
				}
			})
		}
	}
}
