package config

// Default is what a key is where nothing sets it: the papers' and PyTorch's own
// defaults (DDPM's schedule, AdamW's betas), around a small U-Net. Its sample
// section is DDPM's sampler with DDIM's defaults beside it.
func Default() Config {
	return Config{
		Version: Version,
		Data:    Data{Set: "fashion-mnist", Size: 32, Range: [2]float64{-1, 1}},
		Schedule: Schedule{
			Kind: "linear", Steps: 1000, BetaMin: 1e-4, BetaMax: 0.02, Predict: Eps,
		},
		Model: Model{
			Kind: UNet, Channels: []int{32, 64, 128, 256}, Layers: 2, Attention: []bool{false, true, true, true},
			HeadDim: 8, Groups: 8, Init: "default",
		},
		Train: Train{
			Epochs: 10, Batch: 128, MicroBatch: 16, Lanes: 8, Precision: "fp32",
			Optimizer: "adamw", LR: 1e-3, Betas: [2]float64{0.9, 0.999}, Eps: 1e-8, WeightDecay: 0.01,
			LRSchedule: "onecycle", SigmaLognormal: []float64{}, EMAWarmup: true,
			GridEvery: 1, GridImages: 32,
		},
		Sample: Sample{
			Sampler: "ddpm", Variance: "fixed_large", Steps: 100, Eta: 1, Spacing: "auto", SigmaRange: []float64{},
			Order: 4, SkipEvery: 3, SkipTail: 50, Clip: []float64{}, Guidance: 1, GuidanceSigma: []float64{}, ClassSigma: []float64{}, N: 16, Batch: 16, Precision: "fp32",
		},
		Eval:   Eval{Samples: 2048},
		Notify: Notify{When: []string{}, Form: "auto"},
	}
}
