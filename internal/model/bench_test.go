package model

import (
	"testing"

	"diffuse/internal/kernel"
	"diffuse/internal/rng"
)

// benchmarkWorker runs fashion.yaml's net on a micro-batch of 16, on one core.
func benchmarkWorker(b *testing.B, grad bool, precision kernel.Precision) {
	u, err := NewUNet(fashion, 32, 1, grad, kernel.Best().In(precision))
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
			err = w.Gradients(flat, loss, x, y, times, 1)
		} else {
			err = w.Predict(y, x, times)
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
