package judge

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/eval"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/rng"
	"diffuse/internal/tensorfile"
	"diffuse/internal/train"
)

// tinyDim is how many features the tiny classifier makes.
const tinyDim = 8

// tinyFile writes a checkpoint of a classifier of 32×32 images with random
// weights of a seed, and returns its path.
func tinyFile(t *testing.T, seed int64, imageChannels int) string {
	t.Helper()
	c := config.Default()
	c.Data = config.Data{Set: dataset.FashionExtract, Size: 32, Range: [2]float64{-0.5, 1}}
	c.Model.Kind, c.Model.Channels = config.ResNet, []int{4, 4, 6, 6, 6, tinyDim}
	contract := train.NewContract(&c, imageChannels, 10)
	net, err := model.New(c.Model, contract.Images(), false, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	net.Init(seed)
	params := net.Params()
	var tensors []tensorfile.Tensor
	for _, p := range params.List {
		tensors = append(tensors, tensorfile.Tensor{
			Name: p.Name, Shape: p.Shape, Fill: func(dst []float32) { p.ToTorch(dst, params.Data) },
		})
	}
	text, err := json.Marshal(contract)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tiny.safetensors")
	meta := map[string]string{"format": "pt", "diffuse.step": "0", "diffuse.contract": string(text)}
	if err := tensorfile.WriteSafetensors(path, meta, tensors); err != nil {
		t.Fatal(err)
	}
	return path
}

// tiny is that classifier as an extractor.
func tiny(t *testing.T, seed int64) *Extractor {
	t.Helper()
	e, err := ClassifierFile(tinyFile(t, seed, 1), kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// randomImages are n images of random bytes.
func randomImages(n, h, w, c int, seed uint64) *dataset.Set {
	s := &dataset.Set{Name: "random", N: n, H: h, W: w, C: c, Pixels: make([]uint8, n*h*w*c)}
	for i := range s.Pixels {
		s.Pixels[i] = uint8(rng.Intn(256, seed, rng.Noise, uint64(i), 0))
	}
	s.Hash = Key([]any{n, h, w, c, seed})
	return s
}

// watched are images that count how many are read, how many at most at a time,
// and that can fail.
type watched struct {
	Images
	read, most int
	fails      error
	failsAt    int // the image from which on Read fails
}

func (w *watched) Read(ctx context.Context, dst []uint8, lo int) error {
	height, width, c := w.Shape()
	n := len(dst) / (height * width * c)
	if w.fails != nil && lo+n > w.failsAt {
		return w.fails
	}
	w.read += n
	w.most = max(w.most, n)
	return w.Images.Read(ctx, dst, lo)
}

// tinyJudge judges against 70 random images, with the store at dir. It also
// returns these images, which count how many are read.
func tinyJudge(t *testing.T, dir string, change func(*Options)) (*Judge, *watched) {
	t.Helper()
	set := randomImages(70, 28, 28, 1, 1)
	w := &watched{Images: setImages{set: set}}
	o := Options{
		Extractor: tiny(t, 1), Reference: &Reference{Name: "random", Hash: set.Hash, Images: w}, Store: Store{dir},
		Kernels: kernel.Best().Name(), Workers: 2, Estimator: eval.KIDBlocks,
	}
	if change != nil {
		change(&o)
	}
	j, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j, w
}

// rowsOf are all rows of a source.
func rowsOf(t *testing.T, s eval.Source) []float32 {
	t.Helper()
	rows := make([]float32, s.Len()*s.Dim())
	if err := s.Read(rows, 0); err != nil {
		t.Fatal(err)
	}
	return rows
}

// extracted are the features of images.
func extracted(t *testing.T, e *Extractor, im Images, workers int) []float32 {
	t.Helper()
	var all []float32
	err := e.Extract(t.Context(), im, workers, func(rows []float32) error {
		all = append(all, rows...)
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
