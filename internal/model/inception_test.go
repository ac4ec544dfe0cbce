package model

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/kernel"
)

// goldenInception is the golden file: features of two images by pytorch-fid's
// net with weights that a formula gives (shared/golden/README.md).
type goldenInception struct {
	Seed     uint64      `json:"seed"`
	Features [][]float32 `json:"features"`
	Means    []float64   `json:"block_means"` // of all that a block puts out
	Stds     []float64   `json:"block_stds"`
	Tensors  [][2]any    `json:"tensors"` // name and shape
}

func readGoldenInception(t *testing.T) *goldenInception {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(goldenDir(), "inception.json"))
	if err != nil {
		t.Fatal(err)
	}
	g := &goldenInception{}
	if err := json.Unmarshal(raw, g); err != nil {
		t.Fatal(err)
	}
	return g
}

// uniforms is the formula's u(name, i) in [-1, 1) for i < n: splitmix64.
func (g *goldenInception) uniforms(name string, n int) []float32 {
	u := make([]float32, n)
	base := uint64(crc32.ChecksumIEEE([]byte(name)))<<32 + g.Seed<<28
	for i := range u {
		z := base + uint64(i) + 0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		u[i] = float32(float64(z>>40)/(1<<23) - 1)
	}
	return u
}

// weights is a tensor of the state dict by the formula.
func (g *goldenInception) weights(name string, shape []int) []float32 {
	size := 1
	for _, d := range shape {
		size *= d
	}
	scale, shift := 0.1, 0.0
	switch {
	case len(shape) == 4:
		scale = math.Sqrt(6 / float64(size/shape[0]))
	case strings.HasSuffix(name, ".running_var"):
		scale, shift = 0.5, 1
	case strings.HasSuffix(name, "bn.weight"):
		shift = 1
	}
	w := g.uniforms(name, size)
	for i, v := range w {
		w[i] = float32(float64(v)*scale + shift)
	}
	return w
}

const goldenSize = 32 // height and width of its images

// images is the two golden images, NHWC; the second one is gray.
func (g *goldenInception) images() []float32 {
	x := nhwc(g.uniforms("input", 2*3*goldenSize*goldenSize), 2, 3)
	for i, v := range x {
		x[i] = (v + 1) / 2
	}
	for p := len(x) / 2; p < len(x); p += 3 {
		mean := (x[p] + x[p+1] + x[p+2]) / 3
		x[p], x[p+1], x[p+2] = mean, mean, mean
	}
	return x
}

// load makes the net with the formula's weights.
func (g *goldenInception) load(t testing.TB, dims int, kernels *kernel.Set) *Inception {
	t.Helper()
	n, err := NewInception(dims, kernels)
	if err != nil {
		t.Fatal(err)
	}
	shapes := n.Tensors()
	if err := n.Load(func(name string) ([]float32, error) { return g.weights(name, shapes[name]), nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// extract is the features of images with so many channels.
func extract(t *testing.T, n *Inception, x []float32, channels int) []float32 {
	t.Helper()
	k := len(x) / (goldenSize * goldenSize * channels)
	e, err := n.Extractor(k, goldenSize, goldenSize, channels)
	if err != nil {
		t.Fatal(err)
	}
	features := make([]float32, k*n.Dims())
	if err := e.Features(features, x); err != nil {
		t.Fatal(err)
	}
	return features
}

func TestInceptionHasPytorchFIDsTensors(t *testing.T) {
	golden := map[string]string{}
	for _, entry := range readGoldenInception(t).Tensors {
		golden[entry[0].(string)] = fmt.Sprint(entry[1])
	}
	n, err := NewInception(2048, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	ours := n.Tensors()
	for name, shape := range ours {
		if golden[name] != fmt.Sprint(shape) {
			t.Errorf("%s has the shape %v, want %v", name, shape, golden[name])
		}
	}
	for name := range golden {
		if ours[name] == nil && !strings.HasPrefix(name, "fc.") && !strings.HasSuffix(name, "num_batches_tracked") {
			t.Errorf("%s is not read", name)
		}
	}
}

// In float32 the features are off by 5e-7 of their norm, in bfloat16 by 4e-3.
func TestGoldenInception(t *testing.T) {
	for _, set := range kernel.Sets() {
		t.Run(set.Name()+"/fp32", func(t *testing.T) { checkGoldenInception(t, set, 1e-5) })
		t.Run(set.Name()+"/bf16", func(t *testing.T) { checkGoldenInception(t, set.In(kernel.BF16), 1e-2) })
	}
}

// checkGoldenInception allows a relative difference of all features together.
func checkGoldenInception(t *testing.T, set *kernel.Set, tolerance float64) {
	g := readGoldenInception(t)
	x, want := g.images(), slices.Concat(g.Features...)
	if set.Name() == "portable" { // which takes seconds for an image
		x, want = x[len(x)/2:], want[len(want)/2:]
	}
	features := extract(t, g.load(t, 2048, set), x, 3)
	size := norm2(want)
	for i, v := range features {
		want[i] -= v
	}
	off := norm2(want) / size
	t.Logf("features differ by %.2g of their norm", off)
	if !(off <= tolerance) {
		t.Errorf("features differ by %g of their norm", off)
	}
}

// The mean of the features is that of the block's output.
func TestGoldenInceptionBlocks(t *testing.T) {
	g := readGoldenInception(t)
	for i, dims := range InceptionDims {
		features := extract(t, g.load(t, dims, kernel.Best()), g.images(), 3)
		var sum float64
		for _, v := range features {
			sum += float64(v) / float64(len(features))
		}
		if math.Abs(sum/g.Means[i]-1) > 1e-5 {
			t.Errorf("the mean behind block %d is %g, want %g", i, sum, g.Means[i])
		}
	}
}

// An image's features depend neither on its batch nor on whether its gray value
// comes once or three times.
func TestFeaturesStandAlone(t *testing.T) {
	g := readGoldenInception(t)
	n, x := g.load(t, 192, kernel.Best()), g.images()
	colour, same := x[:len(x)/2], x[len(x)/2:]
	gray := make([]float32, len(same)/3)
	for p := range gray {
		gray[p] = same[3*p]
	}
	both := extract(t, n, x, 3)
	if !slices.Equal(extract(t, n, colour, 3), both[:192]) {
		t.Error("the first image alone has other features than beside another")
	}
	if !slices.Equal(extract(t, n, gray, 1), both[192:]) {
		t.Error("a gray image has other features than its copies in three channels")
	}
}

func TestInceptionRefusesWhatDoesNotFit(t *testing.T) {
	if _, err := NewInception(1000, kernel.Best()); err == nil {
		t.Error("features of 1000 dimensions: no error")
	}
	g := readGoldenInception(t)
	n := g.load(t, 64, kernel.Best())
	err := n.Load(func(string) ([]float32, error) { return make([]float32, 7), nil })
	if err == nil || !strings.Contains(err.Error(), "Conv2d_1a_3x3.conv.weight has 7 elements, not 864") {
		t.Errorf("weights of another size: %v", err)
	}
	if _, err := n.Extractor(1, 32, 32, 2); err == nil {
		t.Error("two channels: no error")
	}
	e, err := n.Extractor(2, 4, 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"no images":           e.Features(nil, nil),
		"too many":            e.Features(make([]float32, 3*64), make([]float32, 3*16)),
		"half an image":       e.Features(make([]float32, 64), make([]float32, 24)),
		"room for other ones": e.Features(make([]float32, 64), make([]float32, 32)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
