package judge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/train"
)

// ownFeatures are those that the net of a checkpoint makes of gray images which
// are padded here, pixel by pixel.
func ownFeatures(t *testing.T, path string, im setImages) []float32 {
	t.Helper()
	c, err := train.LoadCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := c.Load(false, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	net, n := loaded.(*model.ResNet), im.set.N
	w, err := net.Features(n)
	if err != nil {
		t.Fatal(err)
	}
	const size = 32
	x, y := make([]float32, n*size*size), make([]float32, n*net.Dim())
	top, left := (size-im.set.H)/2, (size-im.set.W)/2
	for i := range n {
		for row := range size {
			for col := range size {
				var p uint8 // black
				if r, c := row-top, col-left; r >= 0 && r < im.set.H && c >= 0 && c < im.set.W {
					p = im.set.Pixels[(i*im.set.H+r)*im.set.W+c]
				}
				x[(i*size+row)*size+col] = float32(-0.5 + 1.5*float64(p)/255)
			}
		}
	}
	if err := w.Predict(y, x, nil, nil); err != nil {
		t.Fatal(err)
	}
	return y
}

// Features are the net's own, of images that stand in the middle of a black
// square: of its size, smaller, or of odd sizes.
func TestFeaturesAreTheNetsOwn(t *testing.T) {
	path := tinyFile(t, 1, 1)
	e, err := ClassifierFile(path, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{32, 32}, {28, 28}, {27, 20}, {1, 1}} {
		im := setImages{set: randomImages(9, size[0], size[1], 1, 3)}
		got, want := extracted(t, e, im, 2), ownFeatures(t, path, im)
		if !slices.Equal(got, want) {
			t.Errorf("%v: features %v, the net makes %v", size, got[:tinyDim], want[:tinyDim])
		}
		if slices.Equal(want[:tinyDim], want[tinyDim:2*tinyDim]) {
			t.Errorf("%v: two images have the same features: nothing is tested", size)
		}
	}
}

// A classifier in colour takes images in colour, channel by channel.
func TestFeaturesOfColour(t *testing.T) {
	e, err := ClassifierFile(tinyFile(t, 1, 3), kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	set := randomImages(2, 32, 32, 3, 3)
	want := extracted(t, e, setImages{set: set}, 1)
	swapped := *set
	swapped.Pixels = slices.Clone(set.Pixels)
	for i := 0; i < len(swapped.Pixels); i += 3 {
		swapped.Pixels[i], swapped.Pixels[i+2] = swapped.Pixels[i+2], swapped.Pixels[i]
	}
	if slices.Equal(extracted(t, e, setImages{set: &swapped}, 1), want) {
		t.Error("red and blue do not matter")
	}
}

// Whatever the workers, a call takes no more than a micro-batch for each, and
// what comes out is the same, in the images' order.
func TestExtractIsFlatAndInOrder(t *testing.T) {
	e := tiny(t, 1)
	set := randomImages(3*classifierBatch+5, 12, 12, 1, 4)
	want := extracted(t, e, setImages{set: set}, 1)
	for _, workers := range []int{1, 2, 8} {
		im := &watched{Images: setImages{set: set}}
		var told []int
		var got []float32
		largest := 0
		err := e.Extract(t.Context(), im, workers, func(rows []float32) error {
			got, largest = append(got, rows...), max(largest, len(rows)/tinyDim)
			return nil
		}, func(done int) { told = append(told, done) })
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d workers extract other features", workers)
		}
		if most := min(workers, 4) * classifierBatch; im.most > most || largest > most {
			t.Errorf("%d workers read %d images at a time and gave %d rows, at most %d are to be held", workers, im.most, largest, most)
		}
		if im.read != set.N || !slices.IsSorted(told) || told[len(told)-1] != set.N {
			t.Errorf("%d workers read %d images of %d and told %v", workers, im.read, set.N, told)
		}
	}
	alone := extracted(t, e, setImages{set, []int{196, 0, 64}}, 1)
	for i, k := range []int{196, 0, 64} {
		if !slices.Equal(alone[i*tinyDim:(i+1)*tinyDim], want[k*tinyDim:(k+1)*tinyDim]) {
			t.Errorf("image %d has other features among others", k)
		}
	}
}

// What fails on the way ends the extraction.
func TestExtractEndsWhereSomethingFails(t *testing.T) {
	e := tiny(t, 1)
	im := setImages{set: randomImages(200, 8, 8, 1, 4)}
	broken := errors.New("broken")
	ignore := func([]float32) error { return nil }
	if err := e.Extract(t.Context(), im, 1, func([]float32) error { return broken }, nil); !errors.Is(err, broken) {
		t.Errorf("a sink that fails: %v", err)
	}
	if err := e.Extract(t.Context(), &watched{Images: im, fails: broken, failsAt: 100}, 1, ignore, nil); !errors.Is(err, broken) {
		t.Errorf("images that fail: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stretches := 0
	err := e.Extract(ctx, im, 1, func([]float32) error { stretches++; cancel(); return nil }, nil)
	if !errors.Is(err, context.Canceled) || stretches != 1 {
		t.Errorf("after Ctrl-C %d more stretches were extracted: %v", stretches-1, err)
	}
}

// The error names the classifier's file and says what to do.
func TestClassifierRefusesOtherImages(t *testing.T) {
	path := tinyFile(t, 1, 1)
	e, err := ClassifierFile(path, kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][3]int{{33, 20, 1}, {20, 33, 1}, {28, 28, 3}} {
		err := e.Check(setImages{set: randomImages(1, size[0], size[1], size[2], 1)})
		if fault.Code(err) != int(fault.Data) || !strings.Contains(err.Error(), path) || fault.Hint(err) == "" {
			t.Errorf("%v: code %d, hint %q: %v", size, fault.Code(err), fault.Hint(err), err)
		}
	}
	if err := e.Check(setImages{set: randomImages(1, 32, 1, 1, 1)}); err != nil {
		t.Errorf("32×1: %v", err)
	}
}
