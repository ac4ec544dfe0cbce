package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/plot"
	"diffuse/internal/sample"
	"diffuse/internal/tensorfile"
)

// form is what drawn images are written as.
type form int

const (
	formGrid form = iota
	formFolder
	formArray
	formGIF
	formSet
)

// chooseOut decides the form and the path of what is written.
func (j *sampleJob) chooseOut() error {
	j.out = j.Out
	if j.out == "" {
		j.out = j.defaultName()
		if j.run != nil {
			j.out = filepath.Join(j.run.SamplesDir(), j.out)
		}
	}
	info, err := os.Stat(j.out)
	folder := err == nil && info.IsDir() || os.IsPathSeparator(j.out[len(j.out)-1])
	switch ext := strings.ToLower(filepath.Ext(j.out)); {
	case dataset.IsIDX(j.out) && !folder:
		j.form = formSet
		return j.fitsSet()
	case folder || ext == "":
		j.form = formFolder
	case ext == ".png":
		j.form = formGrid
	case ext == ".npy":
		j.form = formArray
	case ext == ".gif":
		j.form = formGIF
		j.frames = j.newTrajectory()
	default:
		return fault.New(fault.Usage, "", "--out: %s must end in .png, .gif, .npy or images-idx3-ubyte, or be a folder", j.out)
	}
	return nil
}

// fitsSet refuses images that a data set of Fashion-MNIST's form cannot hold, or not
// so many.
func (j *sampleJob) fitsSet() error {
	if c := j.checkpoint; c.ClassNames() == nil || c.Image != [3]int{dataset.FashionSide, dataset.FashionSide, 1} {
		return fault.New(fault.Usage, "name a folder, for a PNG each, or an .npy file",
			"--out: %s is Fashion-MNIST's form, gray 28x28 images with their classes, which %s does not draw", j.out, c.Path)
	}
	if n := len(j.seeds); n > dataset.MaxImages {
		return fault.New(fault.Usage, "draw fewer, or name an .npy file",
			"--out: %s would hold %d images, of which a data set is read with at most %d", j.out, n, dataset.MaxImages)
	}
	return nil
}

// defaultName tells drawings of a run apart.
func (j *sampleJob) defaultName() string {
	name := j.sampler.Name
	how := fmt.Sprintf("%s-%d", strings.ReplaceAll(name, "_", "-"), len(j.sampler.Steps))
	setting := func(key string, value float64) {
		how += "-" + key + "-" + strconv.FormatFloat(value, 'g', -1, 64)
	}
	if slices.Contains(heedEta, name) {
		setting("eta", j.conf.Eta)
	}
	if name == "lms" {
		setting("order", float64(j.conf.Order))
	}
	if slices.Contains(heedChurn, name) && j.conf.Churn > 0 {
		setting("churn", j.conf.Churn)
	}
	return fmt.Sprintf("%s-%s-step-%d-seeds-%s.png", how, j.weights(), j.checkpoint.Step, seedsLabel(j.seeds))
}

// prepareOut makes the folder to write to and tries it, so that a drawing is not
// lost at its end.
func (j *sampleJob) prepareOut() error {
	dir := j.out
	if j.form != formFolder {
		dir = filepath.Dir(j.out)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("cannot write samples: %w", err)
	}
	f, err := os.CreateTemp(dir, ".diffuse-*")
	if err != nil {
		return fmt.Errorf("cannot write samples: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// write writes the images, NHWC in the net's range, as the form says.
func (j *sampleJob) write(images []float32) error {
	switch j.form {
	case formArray:
		image := j.checkpoint.Image
		shape := []int{len(j.seeds), image[2], image[0], image[1]}
		return tensorfile.WriteNPY(j.out, shape, toNCHW(images, shape))
	case formGIF:
		const delay, hold = 6, 200 // hundredths of a second
		return plot.WriteGIF(j.out, j.frames.images, 0, delay, hold)
	case formSet:
		p := j.pictures(images)
		labels := make([]uint8, p.N)
		for i, class := range j.sampler.Classes(j.seeds) {
			labels[i] = uint8(class) //nolint:gosec // it was learned from a data set's labels, which are bytes
		}
		return dataset.WriteIDX(j.out, p.H, p.W, p.Pix, labels)
	case formFolder:
		return plot.WriteEach(j.out, j.pictures(images), func(i int) string { return fmt.Sprintf("%06d", j.seeds[i]) })
	default:
		return plot.WriteGrid(j.out, j.pictures(images), 0)
	}
}

// pictures are images as bytes.
func (j *sampleJob) pictures(images []float32) plot.Images {
	image, scale := j.checkpoint.Image, j.checkpoint.Range
	return plot.Images{
		Pix: plot.ToBytes(images, scale[0], scale[1]),
		N:   len(j.seeds), H: image[0], W: image[1], C: image[2],
	}
}

// toNCHW reorders images of shape (N,C,H,W) from channels last.
func toNCHW(nhwc []float32, shape []int) []float32 {
	c, area := shape[1], shape[2]*shape[3]
	out := make([]float32, len(nhwc))
	for i, v := range nhwc {
		n, p, ch := i/(c*area), i/c%area, i%c
		out[(n*c+ch)*area+p] = v
	}
	return out
}

// maxFrames keeps the GIF of a thousand steps small.
const maxFrames = 60

// trajectory collects the frames of a GIF: x_T, then x_t after some of the steps
// at equal distances, the last one always.
type trajectory struct {
	images []plot.Images
	frame  map[int]int // the frame that a step makes
	scale  [2]float64
}

func (j *sampleJob) newTrajectory() *trajectory {
	steps := len(j.sampler.Steps)
	frames := min(maxFrames, steps+1)
	t := &trajectory{images: make([]plot.Images, frames), frame: map[int]int{}, scale: j.checkpoint.Range}
	image := j.checkpoint.Image
	for i := range t.images {
		im := plot.Images{N: len(j.seeds), H: image[0], W: image[1], C: image[2]}
		im.Pix = make([]uint8, im.N*im.H*im.W*im.C)
		t.images[i] = im
		if i > 0 {
			t.frame[i*steps/(frames-1)-1] = i
		}
	}
	return t
}

// watch keeps what a step made of some of the images. The images of different
// calls differ, so goroutines do not meet.
func (t *trajectory) watch(s sample.State) {
	if s.Step == 0 {
		t.keep(0, s.First, s.X)
	}
	if frame, ok := t.frame[s.Step]; ok {
		t.keep(frame, s.First, s.Next)
	}
}

func (t *trajectory) keep(frame, first int, x []float32) {
	im := t.images[frame]
	copy(im.Pix[first*im.H*im.W*im.C:], plot.ToBytes(x, t.scale[0], t.scale[1]))
}
