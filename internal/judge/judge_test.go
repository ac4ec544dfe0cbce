package judge

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/plot"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"
)

// extract is a split of the data set in the binary.
func extract(t *testing.T, split dataset.Split) *dataset.Set {
	t.Helper()
	s, err := dataset.Open(dataset.FashionExtract, "", split)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fashion(t *testing.T) *Extractor {
	t.Helper()
	e, err := Fashion(kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// heard counts the images of each stage that a judge reports.
type heard map[string]int

func (h heard) report(stage string, done, _ int) { h[stage] = done }

// judgeOf judges against the extract's test images, and says what it had to read.
func judgeOf(t *testing.T, dir string, change func(*Options)) (*Judge, heard) {
	t.Helper()
	ref, err := SetReference(dataset.FashionExtract, "", dataset.Test)
	if err != nil {
		t.Fatal(err)
	}
	h := heard{}
	o := Options{
		Extractor: fashion(t), Reference: ref, Store: Store{dir}, Kernels: kernel.Best().Name(), Workers: 2,
		Estimator: eval.KIDBlocks, Progress: h.report,
	}
	if change != nil {
		change(&o)
	}
	j, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j, h
}

func score(t *testing.T, j *Judge, im Images) *eval.Score {
	t.Helper()
	s, err := j.Score(t.Context(), im)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A floor by a slow extractor reads no more images than the reference's 500, unless
// one draw is of more.
func TestFloorOfASlowExtractor(t *testing.T) {
	j, h := judgeOf(t, t.TempDir(), func(o *Options) { o.Extractor.slow = true })
	for _, c := range []struct{ n, draws int }{{200, 2}, {600, 1}} {
		if err := j.Prepare(t.Context(), c.n); err != nil {
			t.Fatal(err)
		}
		if f := j.floors[c.n]; h["floor"] != c.n*c.draws || f.N != c.n || f.Draws != c.draws {
			t.Errorf("the floor is of %d images, %d times (%d read), want %d, %d times", f.N, f.Draws, h["floor"], c.n, c.draws)
		}
	}
}

// Real images score about their floor, which is of other real images; noise does
// not. What was read once is not read again, unless it was tampered with.
func TestScoresAreKeptAndMeanSomething(t *testing.T) {
	dir := t.TempDir()
	train := extract(t, dataset.Train).Head(200)
	j, h := judgeOf(t, dir, nil)
	if h["reference"] != 500 {
		t.Errorf("%d images of the reference were read, want 500", h["reference"])
	}
	first := score(t, j, setImages{set: train})
	if all := 200 * 10; h["floor"] != all || first.Floor.N != 200 || first.Floor.Draws != 10 {
		t.Errorf("the floor is of %d images, %d times (%d read), want 200, as often as the other split's %d have them", first.Floor.N, first.Floor.Draws, h["floor"], all)
	}
	if r := *first.FID / first.Floor.FID; r < 0.8 || r > 1.25 {
		t.Errorf("real images score %v, their floor is %v", *first.FID, first.Floor.FID)
	}
	if len(first.Warnings) != 2 {
		t.Errorf("200 images and 500 of 512 features warn of %q", first.Warnings)
	}
	black := &dataset.Set{N: 200, H: 28, W: 28, C: 1, Pixels: make([]uint8, 200*28*28)}
	if s := score(t, j, setImages{set: black}); *s.FID < 10*first.Floor.FID || *s.Recall > 0.1 {
		t.Errorf("black images score %v, recall %v", *s.FID, *s.Recall)
	}

	j, h = judgeOf(t, dir, nil)
	again := score(t, j, setImages{set: train})
	if h["reference"] != 0 || h["floor"] != 0 {
		t.Errorf("what is in the store was read again: %v", h)
	}
	if *again.FID != *first.FID || *again.KID != *first.KID || again.Floor.FID != first.Floor.FID || *again.Interval != *first.Interval {
		t.Errorf("the same again scores %+v, first %+v", again, first)
	}

	files, err := filepath.Glob(filepath.Join(dir, "features-*.f32"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(f, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	j, h = judgeOf(t, dir, nil)
	if s := score(t, j, setImages{set: train}); h["reference"] != 500 || *s.FID != *first.FID {
		t.Errorf("tampered features: %d read anew, FID %v, want %v", h["reference"], *s.FID, *first.FID)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".features-*")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// Without a folder nothing is kept, and the scores are the same.
func TestNothingIsKeptWithoutAFolder(t *testing.T) {
	train := setImages{set: extract(t, dataset.Train).Head(60)}
	t.Setenv("TMPDIR", t.TempDir())
	j, _ := judgeOf(t, "", nil)
	a := score(t, j, train)
	kept, _ := judgeOf(t, t.TempDir(), nil)
	if b := score(t, kept, train); *a.FID != *b.FID || a.Floor.FID != b.Floor.FID {
		t.Errorf("FID %v and floor %v without a folder, %v and %v with one", *a.FID, a.Floor.FID, *b.FID, b.Floor.FID)
	}
	j.Close()
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// Features do not depend on who shares the work, nor on an image's company.
func TestFeaturesStandAlone(t *testing.T) {
	e := fashion(t)
	set := extract(t, dataset.Test).Head(130)
	features := func(workers int, im Images) []float32 {
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
	want := features(1, setImages{set: set})
	for _, workers := range []int{2, 3, 8} {
		if !slices.Equal(features(workers, setImages{set: set}), want) {
			t.Errorf("%d workers extract other features", workers)
		}
	}
	if !slices.Equal(features(2, setImages{set, []int{129, 5}}), append(slices.Clone(want[129*512:]), want[5*512:6*512]...)) {
		t.Error("images 129 and 5 alone have other features")
	}
}

func TestExtractorRefusesOtherImages(t *testing.T) {
	e := fashion(t)
	for _, set := range []*dataset.Set{{N: 1, H: 33, W: 20, C: 1}, {N: 1, H: 28, W: 28, C: 3}} {
		set.Pixels = make([]uint8, set.H*set.W*set.C)
		if err := e.Extract(t.Context(), setImages{set: set}, 1, nil, nil); fault.Code(err) != int(fault.Data) {
			t.Errorf("%d×%d×%d: %v", set.H, set.W, set.C, err)
		}
	}
}

// Statistics in a file give the same FID, and nothing that needs the features;
// those of another extractor are refused.
func TestStatisticsReference(t *testing.T) {
	j, _ := judgeOf(t, "", nil)
	path := filepath.Join(t.TempDir(), "real.npz")
	if err := j.WriteStatistics(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	ref, err := StatisticsReference(path, j.o.Extractor)
	if err != nil {
		t.Fatal(err)
	}
	if ref.Name != "fashion-extract/test" || ref.Moments.N != 500 {
		t.Errorf("the file is of %s, %d images", ref.Name, ref.Moments.N)
	}
	train := setImages{set: extract(t, dataset.Train).Head(60)}
	from, _ := judgeOf(t, "", func(o *Options) { o.Reference = ref })
	a, b := score(t, j, train), score(t, from, train)
	if math.Abs(*a.FID-*b.FID) > 1e-9**a.FID || b.KID != nil || b.Floor != nil || b.Recall != nil {
		t.Errorf("FID %v, from the file %v with KID %v and floor %v", *a.FID, *b.FID, b.KID, b.Floor)
	}
	other := *j.o.Extractor
	other.Hash = "0123"
	if _, err := StatisticsReference(path, &other); fault.Code(err) != int(fault.Data) || !strings.Contains(err.Error(), path) {
		t.Errorf("statistics of another extractor: %v", err)
	}
}

// shade is a net that draws images of a shade that depends on the seed.
type shade struct{ s *schedule.Schedule }

func (n shade) Predict(y, x []float32, t []float64, _ []int) error {
	size := len(x) / len(t)
	for i, at := range t {
		a := n.s.AlphabarAt(at)
		for j := i * size; j < (i+1)*size; j++ { // as if x_0 were half of x_t
			y[j] = float32((float64(x[j]) - math.Sqrt(a)*0.5*float64(x[j])) / math.Sqrt(1-a))
		}
	}
	return nil
}

func drawnImages(t *testing.T, n int) *Drawn {
	t.Helper()
	c := config.Default()
	c.Sample.Sampler, c.Sample.Steps, c.Sample.Eta = "ddim", 6, 0
	s, err := schedule.New(c.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	sampler, err := sample.New(c.Sample, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &Drawn{
		Sampler: sampler, Nets: []sample.Pair{{Net: shade{s}}, {Net: shade{s}}}, ImgSize: sample.Shape{H: 28, W: 28, C: 1},
		Range: [2]float64{-1, 1}, Seeds: make([]uint64, n), Options: sample.Options{Batch: 7},
	}
	for i := range d.Seeds {
		d.Seeds[i] = uint64(i)
	}
	return d
}

// Drawn images are the bytes that they would be saved as, wherever the reading
// is cut.
func TestDrawnAreSavedImages(t *testing.T) {
	d := drawnImages(t, 30)
	x, err := d.Sampler.Draw(t.Context(), d.Nets, d.ImgSize, d.Seeds, d.Options)
	if err != nil {
		t.Fatal(err)
	}
	want, got := plot.ToBytes(x, -1, 1), make([]uint8, 30*28*28)
	for _, cut := range [][2]int{{0, 11}, {11, 12}, {12, 30}} {
		if err := d.Read(t.Context(), got[cut[0]*28*28:cut[1]*28*28], cut[0]); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, want) {
		t.Error("drawn images are not what the sampler draws")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Read(ctx, got, 0); err == nil {
		t.Error("a cancelled drawing goes on")
	}
}

// The last x0_hat of DDIM is the image: the last point of the way is the score.
func TestTrajectoryEndsAtTheImages(t *testing.T) {
	j, _ := judgeOf(t, "", nil)
	d := drawnImages(t, 150)
	points, s, err := j.Trajectory(t.Context(), d, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(points) != 3 || points[0].Step != 2 || points[2].Step != 6 || points[2].NetCalls != 6 {
		t.Fatalf("points %+v", points)
	}
	if last := points[2]; last.FID != *s.FID || *last.KID != *s.KID {
		t.Errorf("the last point scores %v, the images %v", last.FID, *s.FID)
	}
	if direct := score(t, j, d); *direct.FID != *s.FID {
		t.Errorf("the images score %v after the way, %v without it", *s.FID, *direct.FID)
	}
	if points[0].FID == points[1].FID {
		t.Error("all points score the same")
	}
}

// A training image is its own nearest one, and a copy.
func TestNearestFindsCopies(t *testing.T) {
	j, _ := judgeOf(t, "", nil)
	set := extract(t, dataset.Train).Head(300)
	kept := &Kept{Images: setImages{set, []int{7, 250, 31}}}
	rows, err := j.Features(t.Context(), kept, "samples")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	near, copies, err := j.Nearest(t.Context(), rows, set)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{7, 250, 31} {
		if near[i].Row != want || near[i].Distance != 0 {
			t.Errorf("image %d is nearest to %+v", want, near[i])
		}
	}
	if copies.Count != 3 {
		t.Errorf("%d of 3 copies were found", copies.Count)
	}
	if !slices.Equal(kept.Pixels[:28*28], set.Pixels[7*28*28:8*28*28]) {
		t.Error("the kept pixels are not the image's")
	}
}
