package judge

import (
	"crypto/sha256"
	_ "embed" // the weights
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"diffuse/internal/dataset"
	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/tensorfile"
	"diffuse/internal/train"
)

// worker extracts the features of a micro-batch, on one goroutine.
type worker interface {
	Features(features, x []float32) error
}

// Extractor makes features of images by a net.
type Extractor struct {
	eval.Extractor
	DataSet string // that its net was trained on; empty if none of ours

	batch int  // images a worker takes at a time
	slow  bool // an image costs so much that a floor must do with few
	// worker makes one for images of h×w pixels and c channels.
	worker func(h, w, c int) (worker, error)
	// fit writes n images of h×w×c bytes as the net takes them, or says why they
	// are not for it; dst is nil where only that is asked.
	fit func(dst []float32, pixels []uint8, n, h, w, c int) error
	in  func(h, w, c int) int // values of such an image as the net takes it
}

// classifierBatch is how many images a worker passes through a classifier at a
// time: enough to pay for reading its weights.
const classifierBatch = 64

// classifier is the extractor that a checkpoint of a classifier makes: what its
// last layer sees. What it is given must be what it was trained on: as many
// channels, at most its size; smaller images are padded with black as its data
// set's are. Errors are of kind fault.Checkpoint.
func classifier(c *train.Checkpoint, hash string, kernels *kernel.Set) (*Extractor, error) {
	if c.Prediction != train.PredictsClasses {
		return nil, fault.New(fault.Checkpoint, "train a classifier: diffuse train --config fashion-classifier.yaml",
			"%s is not a classifier: it predicts %s", c.Path, c.Prediction)
	}
	net, err := c.Load(false, kernels)
	if err != nil {
		return nil, err
	}
	r := net.(*model.ResNet)
	family, _, _ := strings.Cut(c.DataSet, "-")
	return &Extractor{
		Extractor: eval.Extractor{Name: family + "-resnet", Hash: hash, Dim: r.Dim(), Precision: string(kernels.Precision())},
		DataSet:   c.DataSet, batch: classifierBatch,
		worker: func(int, int, int) (worker, error) {
			w, err := r.Features(classifierBatch)
			return headless{w}, err
		},
		in: func(int, int, int) int { return r.Sizes().Input },
		fit: func(dst []float32, pixels []uint8, n, h, w, channels int) error {
			size := c.Image[0]
			if channels != c.Image[2] || max(h, w) > size {
				return fault.New(fault.Data, "take an extractor for such images: --extractor inception, or a classifier trained on them",
					"the images are %d×%d with %d channels; %s was trained on %d×%d with %d", h, w, channels, c.Path, size, size, c.Image[2])
			}
			if dst != nil {
				set := dataset.Set{N: n, H: h, W: w, C: channels, Pixels: pixels}
				set.Fill(dst, count(n), size, c.Range[0], c.Range[1], nil)
			}
			return nil
		},
	}, nil
}

// headless is a classifier's worker that stops before its head.
type headless struct{ model.Worker }

func (h headless) Features(features, x []float32) error { return h.Predict(features, x, nil, nil) }

// inceptionBatch is how many images a worker passes through Inception at a time.
const inceptionBatch = 8

// Inception is pytorch-fid's InceptionV3 with the weights in a file, a .pth or a
// .safetensors under its state dict's names; dims is one of
// model.InceptionDims. It takes images of any size, gray ones as three equal
// channels. Errors are of kind fault.Checkpoint.
func Inception(path string, dims int, kernels *kernel.Set) (*Extractor, error) {
	f, err := tensorfile.OpenWeights(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	net, err := model.NewInception(dims, kernels)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "%w", err)
	}
	for name, shape := range net.Tensors() {
		if got := f.Shape(name); !slices.Equal(got, shape) {
			return nil, fault.New(fault.Checkpoint, inceptionHint, "%s is not pytorch-fid's Inception: %s has shape %v, not %v", path, name, got, shape)
		}
	}
	if err := net.Load(f.Read); err != nil {
		return nil, err
	}
	hash, err := HashFile(path)
	if err != nil {
		return nil, fault.New(fault.Checkpoint, "", "%w", err)
	}
	name := "inception"
	if dims != 2048 {
		name = fmt.Sprintf("inception-%d", dims)
	}
	return &Extractor{
		Extractor: eval.Extractor{Name: name, Hash: hash, Dim: dims, Precision: string(kernels.Precision())},
		batch:     inceptionBatch,
		slow:      true,
		worker:    func(h, w, c int) (worker, error) { return net.Extractor(inceptionBatch, h, w, c) },
		in:        func(h, w, c int) int { return h * w * c },
		fit: func(dst []float32, pixels []uint8, _, _, _, channels int) error {
			if channels != 1 && channels != 3 {
				return fault.New(fault.Data, "", "Inception takes images of 1 or 3 channels, not %d", channels)
			}
			for i := range dst {
				dst[i] = float32(pixels[i]) / 255
			}
			return nil
		},
	}, nil
}

const inceptionHint = "diffuse data fetch " + dataset.Inception + " brings it"

// InceptionPath is where the weights are, or belong: in the folder of data sets.
func InceptionPath(dir string) string {
	return filepath.Join(dataset.Folder(dir, dataset.Inception), dataset.InceptionFile)
}

// count is 0, 1, … n−1.
func count(n int) []int {
	index := make([]int, n)
	for i := range index {
		index[i] = i
	}
	return index
}

// HashFile is the SHA-256 of a file, in hexadecimal.
func HashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// FashionResNet is the name of the classifier in the binary.
const FashionResNet = "fashion-resnet"

// fashionWeights are the last weights of configs/fashion-classifier.yaml, rounded
// to bfloat16 (make classifier).
//
//go:embed fashion-resnet.safetensors
var fashionWeights []byte

// Fashion is the extractor in the binary.
func Fashion(kernels *kernel.Set) (*Extractor, error) {
	c, err := train.EmbeddedCheckpoint("the "+FashionResNet+" in the binary", fashionWeights)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(fashionWeights)
	return classifier(c, hex.EncodeToString(sum[:]), kernels)
}

// ClassifierFile is the extractor that a checkpoint file of a classifier makes.
func ClassifierFile(path string, kernels *kernel.Set) (*Extractor, error) {
	c, err := train.LoadCheckpoint(path)
	if err != nil {
		return nil, err
	}
	hash, err := HashFile(path)
	if err != nil {
		return nil, fault.New(fault.Checkpoint, "", "%w", err)
	}
	return classifier(c, hash, kernels)
}
