package train

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/schedule"
	"diffuse/internal/tensorfile"
)

// goldenDir is the folder named by DIFFUSE_GOLDEN, else the project's own.
func goldenDir() string {
	if dir := os.Getenv("DIFFUSE_GOLDEN"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "testdata", "golden")
}

func goldenJSON(t *testing.T, name string, v any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(goldenDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func goldenFile(t *testing.T, name string) *tensorfile.File {
	t.Helper()
	f, err := tensorfile.OpenSafetensors(filepath.Join(goldenDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// goldenNet is the golden files' U-Net for size×size images, with its weights.
func goldenNet(t *testing.T, size int, kernels *kernel.Set) model.Net {
	t.Helper()
	var g struct {
		InChannels int    `json:"in_channels"`
		Channels   []int  `json:"block_out_channels"`
		Groups     int    `json:"norm_num_groups"`
		HeadDim    int    `json:"attention_head_dim"`
		Layers     int    `json:"layers_per_block"`
		Attention  []bool `json:"attention"`
	}
	goldenJSON(t, "unet.json", &g)
	net, err := model.NewUNet(config.Model{
		Channels: g.Channels, Layers: g.Layers, Attention: g.Attention, HeadDim: g.HeadDim, Groups: g.Groups,
	}, model.Images{Size: size, Channels: g.InChannels}, true, kernels)
	if err != nil {
		t.Fatal(err)
	}
	f, ps := goldenFile(t, "unet.safetensors"), net.Params()
	for _, p := range ps.List {
		w, err := f.Read("weights." + p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.FromTorch(ps.Data, w); err != nil {
			t.Fatal(err)
		}
	}
	net.Repack(nil)
	return net
}

// goldenBatches are the given batches of the golden run, NHWC.
func goldenBatches(t *testing.T, f *tensorfile.File, s *schedule.Schedule) []*fixedBatch {
	t.Helper()
	shape := f.Shape("x0") // steps, batch, channels, height, width
	steps, n, c, hw := shape[0], shape[1], shape[2], shape[3]*shape[4]
	x0, err := f.Read("x0")
	if err != nil {
		t.Fatal(err)
	}
	eps, err := f.Read("eps")
	if err != nil {
		t.Fatal(err)
	}
	ts, err := f.ReadInts("t")
	if err != nil {
		t.Fatal(err)
	}
	nhwc := func(x []float32) []float32 {
		y := make([]float32, len(x))
		for i := range n {
			for k := range c {
				for p := range hw {
					y[(i*hw+p)*c+k] = x[(i*c+k)*hw+p]
				}
			}
		}
		return y
	}
	batches := make([]*fixedBatch, steps)
	for i := range batches {
		b := &fixedBatch{x0: nhwc(x0[i*n*c*hw:][:n*c*hw]), eps: nhwc(eps[i*n*c*hw:][:n*c*hw])}
		for _, t := range ts[i*n:][:n] {
			b.t = append(b.t, float64(t))
			b.alphabar = append(b.alphabar, s.Alphabar[t])
		}
		batches[i] = b
	}
	return batches
}

// The run was made by PyTorch 2.6: AdamW (eps 1e-5, weight decay 0.01, betas
// 0.9 and 0.999), OneCycleLR over all steps; shared/golden/README.md gives the
// tolerances of the losses, relative.
func TestGoldenTrainRun(t *testing.T) {
	t.Run("fp32", func(t *testing.T) { checkGoldenTrainRun(t, kernel.Best(), 1e-4) })
	t.Run("bf16", func(t *testing.T) { checkGoldenTrainRun(t, kernel.Best().In(kernel.BF16), 3e-2) })
}

func checkGoldenTrainRun(t *testing.T, kernels *kernel.Set, tolerance float64) {
	var g struct {
		Losses, LR, Beta1 []float64
		WeightDecay       float64 `json:"weight_decay"`
		AdamEps           float64 `json:"adam_eps"`
		BetaMax           float64
	}
	goldenJSON(t, "train_run.json", &g)
	c := config.Default()
	c.Schedule = config.Schedule{Kind: "linear", Steps: 1000, BetaMin: 1e-4, BetaMax: g.BetaMax, Predict: config.Eps}
	c.Train.Optimizer, c.Train.Eps, c.Train.WeightDecay = "adamw", g.AdamEps, g.WeightDecay
	c.Train.LRSchedule, c.Train.LR = "onecycle", g.LR[0]*onecycleDivFactor
	s, err := schedule.New(c.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	f := goldenFile(t, "train_run.safetensors")
	batches := goldenBatches(t, f, s)
	if len(batches) != len(g.Losses) {
		t.Fatalf("%d batches for %d losses", len(batches), len(g.Losses))
	}
	rate, err := NewRate(c.Train, len(batches))
	if err != nil {
		t.Fatal(err)
	}

	net := goldenNet(t, f.Shape("x0")[3], kernels)
	const micro, lanes = 2, 2 // the batch of 4 is summed from two micro-batches
	workers := newTeam(t, 2)
	crew, err := newCrew(net, kernels, workers, micro, objectiveOf(&c))
	if err != nil {
		t.Fatal(err)
	}
	gradient := newGradient(crew, net.Params(), lanes)
	optimizer := newOptimizer(c.Train, kernels, workers, net.Params())
	worst := 0.0
	for step, b := range batches {
		r, err := gradient.compute(context.Background(), b)
		if err != nil {
			t.Fatal(err)
		}
		lr, beta1 := rate(step)
		near(t, "lr", lr, g.LR[step], 1e-9)
		near(t, "beta1", beta1, g.Beta1[step], 1e-9)
		near(t, "loss", r.Loss, g.Losses[step], tolerance)
		worst = max(worst, r.Loss/g.Losses[step]-1, 1-r.Loss/g.Losses[step])
		optimizer.update(adamStep{params: net.Params().Data, gradient: gradient.sum(), lr: lr, beta1: beta1, update: step, clip: 1})
		net.Repack(nil)
	}
	t.Logf("%d losses: largest relative difference %.2g", len(batches), worst)
}
