package judge

import (
	"slices"
	"testing"

	"diffuse/internal/plot"
	"diffuse/internal/rng"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"

	"github.com/google/go-cmp/cmp"
)

// A level is the score of images that begin as real ones under the noise which the
// step before leaves, drawn here by hand; levels rise, and the images' own score is as
// without them.
func TestLevelIsTheScoreOfRealImagesDrawnAnew(t *testing.T) {
	j, _ := tinyJudge(t, "", func(o *Options) { o.NoFloor = true })
	const n = 40
	held := randomImages(60, 20, 20, 1, 5)
	held.Labels = make([]uint8, held.N)
	d := draws(t, "ddim", n, 2, 16)
	levels, s, err := j.Levels(t.Context(), d, held, 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, scoreOf(t, j, draws(t, "ddim", n, 1, 3))); diff != "" {
		t.Errorf("without the levels the images score otherwise: %s", diff)
	}
	steps := d.Sampler.Steps
	for i, k := range []int{5, 3, 1} { // of 7 steps
		if l := levels[i]; l.Sigma != schedule.Sigma(steps[k].Alphabar) || l.T != steps[k].T || l.NetCalls != 7-k {
			t.Errorf("level %d is %+v", i, l)
		}
	}
	order := rng.Perm(held.N, j.o.Seed, rng.FloorRows, 0) // as the floor chooses
	var used []int
	begin := func(x0 []float32, seeds []uint64) []int {
		for _, seed := range seeds {
			used = append(used, order[slices.Index(d.Seeds, seed)])
		}
		held.Fill(x0, used[len(used)-len(seeds):], 20, -0.5, 1, nil)
		return nil
	}
	x, err := d.Sampler.From(3, begin).Draw(t.Context(), d.Nets[:1], d.ImgSize, d.Seeds, sample.Options{Batch: n})
	if err != nil {
		t.Fatal(err)
	}
	set := randomImages(n, 20, 20, 1, 0)
	set.Pixels = plot.ToBytes(x, -0.5, 1)
	by := scoreOf(t, j, setImages{set: set})
	if levels[1].FID != *by.FID || *levels[1].KID != *by.KID {
		t.Errorf("level %+v, drawn by hand FID %v, KID %v", levels[1], *by.FID, *by.KID)
	}
	slices.Sort(used)
	if len(slices.Compact(used)) != n {
		t.Error("some real image was used twice")
	}
}
