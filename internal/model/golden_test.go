package model

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/tensorfile"
)

// goldenDir is the folder named by DIFFUSE_GOLDEN, else the project's own.
func goldenDir() string {
	if dir := os.Getenv("DIFFUSE_GOLDEN"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "testdata", "golden")
}

// goldenUNet is the golden file's net with its weights, and the file.
func goldenUNet(t *testing.T, kernels *kernel.Set) (*UNet, *tensorfile.File) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(goldenDir(), "unet.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		InChannels int    `json:"in_channels"`
		Channels   []int  `json:"block_out_channels"`
		Groups     int    `json:"norm_num_groups"`
		HeadDim    int    `json:"attention_head_dim"`
		Layers     int    `json:"layers_per_block"`
		Attention  []bool `json:"attention"`
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	f, err := tensorfile.OpenSafetensors(filepath.Join(goldenDir(), "unet.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	cfg := config.Model{Channels: g.Channels, Layers: g.Layers, Attention: g.Attention, HeadDim: g.HeadDim, Groups: g.Groups}
	u, err := NewUNet(cfg, Images{Size: f.Shape("x")[2], Channels: g.InChannels}, true, kernels)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range u.Params().List {
		w, err := f.Read("weights." + p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.FromTorch(u.Params().Data, w); err != nil {
			t.Fatal(err)
		}
	}
	u.Repack(nil)
	return u, f
}

// nhwc turns n NCHW images of c channels into NHWC.
func nhwc(x []float32, n, c int) []float32 {
	y, hw := make([]float32, len(x)), len(x)/(n*c)
	for i := range n {
		for k := range c {
			for p := range hw {
				y[(i*hw+p)*c+k] = x[(i*c+k)*hw+p]
			}
		}
	}
	return y
}

func norm2(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return math.Sqrt(s)
}

// The values were made by PyTorch 2.6 with a U-Net whose outputs agree with
// diffusers' UNet2DModel to 2e-6; shared/golden/README.md gives the tolerances.
func TestGoldenUNet(t *testing.T) {
	for _, set := range kernel.Sets() {
		t.Run(set.Name()+"/fp32", func(t *testing.T) { checkGoldenUNet(t, set, 1e-4, 1e-5, 1e-3) })
		t.Run(set.Name()+"/bf16", func(t *testing.T) { checkGoldenUNet(t, set.In(kernel.BF16), 3e-2, 1e-2, 5e-2) })
	}
}

// checkGoldenUNet allows absolute differences of the output and relative ones of
// the loss and of each gradient.
func checkGoldenUNet(t *testing.T, kernels *kernel.Set, ofOutput, ofLoss, ofGradient float64) {
	u, f := goldenUNet(t, kernels)
	read := func(name string) []float32 {
		v, err := f.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	steps, err := f.ReadInts("t")
	if err != nil {
		t.Fatal(err)
	}
	n := len(steps)
	times := make([]float64, n)
	for i, s := range steps {
		times[i] = float64(s)
	}
	x, target, want := nhwc(read("x"), n, u.channels), nhwc(read("target"), n, u.channels), nhwc(read("y"), n, u.channels)

	w, err := u.Worker(n, true)
	if err != nil {
		t.Fatal(err)
	}
	y := make([]float32, len(x))
	if err := w.Predict(y, x, times, nil); err != nil {
		t.Fatal(err)
	}
	var worst float64
	for i := range y {
		worst = math.Max(worst, math.Abs(float64(y[i]-want[i])))
	}
	t.Logf("output: largest difference %.2g", worst)
	if !(worst <= ofOutput) {
		t.Errorf("output differs by %g", worst)
	}

	grad, losses := make([]float32, len(u.Params().Data)), make([]float64, n)
	scale := 1 / float32(len(x))
	if err := w.Gradients(grad, losses, x, target, times, nil, nil, scale); err != nil {
		t.Fatal(err)
	}
	var loss float64
	for _, l := range losses {
		loss += l / float64(len(x))
	}
	if wantLoss := float64(read("loss")[0]); !(math.Abs(loss-wantLoss) <= ofLoss*wantLoss) {
		t.Errorf("loss %.8g, want %.8g", loss, wantLoss)
	}

	goldens := map[string][]float32{}
	var all float64
	for _, p := range u.Params().List {
		goldens[p.Name] = read("grads." + p.Name)
		all = math.Hypot(all, norm2(goldens[p.Name]))
	}
	var worstRel float64
	for _, p := range u.Params().List {
		got, want := make([]float32, p.Len), goldens[p.Name]
		p.ToTorch(got, grad)
		for i := range got {
			got[i] -= want[i]
		}
		rel := norm2(got) / (norm2(want) + 1e-5*all)
		worstRel = math.Max(worstRel, rel)
		if !(rel <= ofGradient) {
			t.Errorf("gradient of %s differs by %g", p.Name, rel)
		}
	}
	t.Logf("gradients: largest relative difference %.2g", worstRel)
}
