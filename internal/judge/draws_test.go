package judge

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/dataset/pictures"
	"diffuse/internal/eval"
	"diffuse/internal/plot"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"

	"github.com/google/go-cmp/cmp"
)

// fading is a net whose idea of x_0 in x_t depends on t.
type fading struct{ s *schedule.Schedule }

func (f fading) Predict(y, x []float32, t []float64, _ []int) error {
	size := len(x) / len(t)
	for i, at := range t {
		a := f.s.AlphabarAt(at)
		for j := i * size; j < (i+1)*size; j++ {
			y[j] = float32(float64(x[j]) * (1 - a/2))
		}
	}
	return nil
}

// draws are n images by a sampler in 7 steps.
func draws(t *testing.T, name string, n, nets, batch int) *Drawn {
	t.Helper()
	c := config.Default()
	c.Sample.Sampler, c.Sample.Steps, c.Sample.Eta = name, 7, 0.5
	s, err := schedule.New(c.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	sampler, err := sample.New(c.Sample, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &Drawn{Sampler: sampler, ImgSize: sample.Shape{H: 20, W: 20, C: 1}, Range: [2]float64{-0.5, 1}, Options: sample.Options{Batch: batch}}
	for range nets {
		d.Nets = append(d.Nets, sample.Pair{Net: fading{s}})
	}
	for i := range n {
		d.Seeds = append(d.Seeds, uint64(3*i+1))
	}
	return d
}

// The contract: drawn images score as their PNGs do, whatever the batch and the
// number of workers, in every number of the score.
func TestDrawnScoreAsTheirPNGs(t *testing.T) {
	const n = classifierBatch + 9
	first := draws(t, "ddim", n, 1, 16)
	x, err := first.Sampler.Draw(t.Context(), first.Nets, first.ImgSize, first.Seeds, first.Options)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "drawn")
	im := plot.Images{Pix: plot.ToBytes(x, -0.5, 1), N: n, H: 20, W: 20, C: 1}
	if err := plot.WriteEach(dir, im, func(i int) string { return fmt.Sprintf("%06d", i) }); err != nil {
		t.Fatal(err)
	}
	p, err := pictures.Open(dir, pictures.Options{})
	if err != nil {
		t.Fatal(err)
	}
	j, _ := tinyJudge(t, t.TempDir(), nil)
	want := scoreOf(t, j, Pictures{p})
	for _, c := range []struct{ workers, nets, batch int }{{1, 1, 5}, {2, 2, 16}, {3, 8, 1}} {
		j, _ := tinyJudge(t, t.TempDir(), func(o *Options) { o.Workers = c.workers })
		if diff := cmp.Diff(want, scoreOf(t, j, draws(t, "ddim", n, c.nets, c.batch))); diff != "" {
			t.Errorf("%+v: the PNGs score otherwise: %s", c, diff)
		}
	}
}

// The points of a way: at most so many, at equal distances, the last among them.
func TestEvenly(t *testing.T) {
	for _, c := range []struct {
		n, most int
		want    []int
	}{
		{6, 3, []int{1, 3, 5}}, {6, 6, []int{0, 1, 2, 3, 4, 5}}, {3, 20, []int{0, 1, 2}}, {7, 3, []int{1, 3, 6}}, {1, 1, []int{0}},
	} {
		if got := evenly(c.n, c.most); !slices.Equal(got, c.want) {
			t.Errorf("evenly(%d, %d) is %v, want %v", c.n, c.most, got, c.want)
		}
	}
	for _, n := range []int{50, 100, 333, 1000} {
		got := evenly(n, 20)
		for i := 1; i < len(got); i++ {
			if d := got[i] - got[i-1]; d < n/20 || d > n/20+1 {
				t.Errorf("of %d steps %v", n, got)
				break
			}
		}
		if len(got) != 20 || got[19] != n-1 {
			t.Errorf("of %d steps %v", n, got)
		}
	}
}

// The last x0_hat of these samplers is the image, so that the way ends at the
// score; net calls are counted as they are made, and no file is left.
func TestWayEndsAtTheScore(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for name, calls := range map[string][]int{"ddim": {2, 4, 7}, "heun": {4, 8, 13}, "euler": {2, 4, 7}} {
		j, _ := tinyJudge(t, "", func(o *Options) { o.NoFloor = true })
		d := draws(t, name, classifierBatch*2+5, 2, 16) // two stretches
		points, s, err := j.Trajectory(t.Context(), d, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range points {
			if want := []int{2, 4, 7}[i]; p.Step != want || p.NetCalls != calls[i] || p.T != d.Sampler.Steps[want-1].T {
				t.Errorf("%s: point %d is %+v", name, i, p)
			}
		}
		last := points[2]
		if last.FID != *s.FID || *last.KID != *s.KID {
			t.Errorf("%s: the way ends at FID %v and KID %v, the images score %v and %v", name, last.FID, *last.KID, *s.FID, *s.KID)
		}
		if points[0].FID == last.FID {
			t.Errorf("%s: all points score the same", name)
		}
		if diff := cmp.Diff(s, scoreOf(t, j, draws(t, name, d.Len(), 1, 3))); diff != "" {
			t.Errorf("%s: without the way the images score otherwise: %s", name, diff)
		}
		j.Close()
	}
	if n := filesIn(t, tmp); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// A point in the middle is the score of x0_hat as bytes, gathered here by hand.
func TestPointIsTheScoreOfX0Hat(t *testing.T) {
	j, _ := tinyJudge(t, "", func(o *Options) { o.NoFloor = true })
	const n = 40
	d := draws(t, "ddim", n, 1, n)
	points, _, err := j.Trajectory(t.Context(), d, 3)
	if err != nil {
		t.Fatal(err)
	}
	var x0hat []float32
	o := d.Options
	o.Watch = func(s sample.State) {
		if s.Step == 3 {
			x0hat = slices.Clone(s.X0Hat)
		}
	}
	if _, err := d.Sampler.Draw(t.Context(), d.Nets, d.ImgSize, d.Seeds, o); err != nil {
		t.Fatal(err)
	}
	set := randomImages(n, 20, 20, 1, 0)
	set.Pixels = plot.ToBytes(x0hat[:len(set.Pixels)], -0.5, 1)
	s := scoreOf(t, j, setImages{set: set})
	if points[1].Step != 4 || points[1].FID != *s.FID || *points[1].KID != *s.KID {
		t.Errorf("point %+v, x0_hat scores FID %v, KID %v", points[1], *s.FID, *s.KID)
	}
}

// Kept images are whole, wherever the reading was cut.
func TestKeptAreTheImages(t *testing.T) {
	set := randomImages(30, 9, 7, 1, 3)
	k := &Kept{Images: setImages{set: set}}
	for _, cut := range [][2]int{{0, 11}, {11, 12}, {12, 30}} {
		if err := k.Read(t.Context(), make([]uint8, (cut[1]-cut[0])*9*7), cut[0]); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(k.Pixels, set.Pixels) {
		t.Error("other pixels were kept")
	}
}

// Which training image is nearest is found here by trying all.
func TestNearestByTryingAll(t *testing.T) {
	j, _ := tinyJudge(t, t.TempDir(), nil)
	set, samples := randomImages(60, 28, 28, 1, 6), randomImages(12, 28, 28, 1, 7)
	rows, err := j.Features(t.Context(), setImages{set: samples}, "samples")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	near, copies, err := j.Nearest(t.Context(), rows, set)
	if err != nil {
		t.Fatal(err)
	}
	a, b := rowsOf(t, rows), extracted(t, j.o.Extractor, setImages{set: set}, 1)
	for i := range samples.N {
		best, least := -1, 0.0
		for k := range set.N {
			d := 0.0
			for f := range tinyDim {
				v := float64(a[i*tinyDim+f]) - float64(b[k*tinyDim+f])
				d += v * v
			}
			if best < 0 || d < least {
				best, least = k, d
			}
		}
		if near[i].Row != best {
			t.Errorf("sample %d is nearest to %d, by trying all to %d", i, near[i].Row, best)
		}
	}
	if copies.Expected != eval.CopyQuantile*12 || copies.Count > 12 || copies.Threshold <= 0 {
		t.Errorf("copies %+v", copies)
	}
}
