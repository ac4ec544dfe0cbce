package model

import (
	"fmt"
	"sync"
	"testing"

	"diffuse/internal/kernel"
	"diffuse/internal/rng"
)

// benchmarkWorker runs fashion.yaml's net on a micro-batch of 16, on one core.
func benchmarkWorker(b *testing.B, grad bool, precision kernel.Precision) {
	u, err := NewUNet(fashion, Images{Size: 32, Channels: 1}, grad, kernel.Best().In(precision))
	if err != nil {
		b.Fatal(err)
	}
	u.Init(1)
	const n = 16
	w, err := u.Worker(n, grad)
	if err != nil {
		b.Fatal(err)
	}
	x, y, times, loss := make([]float32, n*1024), make([]float32, n*1024), make([]float64, n), make([]float64, n)
	rng.Normal(x, 1, rng.Noise, 0, 0)
	flat := make([]float32, len(u.params.Data))
	for b.Loop() {
		if grad {
			err = w.Gradients(flat, loss, x, y, times, nil, nil, 1)
		} else {
			err = w.Predict(y, x, times, nil)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "img/s")
}

func BenchmarkPredict(b *testing.B)       { benchmarkWorker(b, false, kernel.FP32) }
func BenchmarkPredictBF16(b *testing.B)   { benchmarkWorker(b, false, kernel.BF16) }
func BenchmarkGradients(b *testing.B)     { benchmarkWorker(b, true, kernel.FP32) }
func BenchmarkGradientsBF16(b *testing.B) { benchmarkWorker(b, true, kernel.BF16) }

// BenchmarkFeatures runs InceptionV3 on micro-batches of 16 images of 32×32.
func BenchmarkFeatures(b *testing.B) {
	const micro, size, dims = 16, 32 * 32 * 3, 2048
	for _, precision := range []kernel.Precision{kernel.FP32, kernel.BF16} {
		n, err := NewInception(dims, kernel.Best().In(precision))
		if err != nil {
			b.Fatal(err)
		}
		shapes := n.Tensors()
		if err := n.Load(func(name string) ([]float32, error) { return (&goldenInception{}).weights(name, shapes[name]), nil }); err != nil {
			b.Fatal(err)
		}
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/%d workers", precision, workers), func(b *testing.B) {
				var group sync.WaitGroup
				for range workers {
					group.Go(func() {
						e, err := n.Extractor(micro, 32, 32, 3)
						x, y := make([]float32, micro*size), make([]float32, micro*dims)
						rng.Uniforms(x, 1, rng.Noise, 0, 0)
						for i := 0; err == nil && i < b.N; i++ {
							err = e.Features(y, x)
						}
						if err != nil {
							b.Error(err)
						}
					})
				}
				group.Wait()
				b.ReportMetric(float64(workers*micro*b.N)/b.Elapsed().Seconds(), "img/s")
			})
		}
	}
}
