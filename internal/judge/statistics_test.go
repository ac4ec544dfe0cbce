package judge

import (
	"context"
	"math"
	"testing"

	"diffuse/internal/dataset"
	"diffuse/internal/kernel"
)

// The statistics in the binary are those of its extractor.
func TestFashionStatisticsAreTheExtractors(t *testing.T) {
	e, err := Fashion(kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	r, err := FashionStatistics(e)
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "fashion-mnist/test" || r.Moments.N != 10_000 || r.Moments.Dim() != e.Dim {
		t.Errorf("%s, %d images, %d features", r.Name, r.Moments.N, r.Moments.Dim())
	}
	if f := r.knownFloor(2048, 0); f == nil || f.N != 2048 {
		t.Errorf("the floor of 2048 is %v", f)
	}
	if f := r.knownFloor(2048, 1); f != nil {
		t.Errorf("the floor of another seed is %v", f)
	}
	other := *e
	other.Hash = "0123456789abcdef"
	if _, err := FashionStatistics(&other); err == nil {
		t.Error("another extractor took them")
	}
}

// The statistics in the binary are what the real images make: moments, hash and a
// floor.
func TestFashionStatisticsAgreeWithData(t *testing.T) {
	dir := dataDir(t)
	e, err := Fashion(kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := FashionStatistics(e)
	if err != nil {
		t.Fatal(err)
	}
	images, err := SetReference(dataset.FashionMNIST, dir, dataset.Test)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	j, err := New(ctx, Options{Extractor: e, Reference: images, Kernels: kernel.Best().Name(), Workers: 2, Estimator: "blocks"})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if images.Hash != kept.Hash {
		t.Errorf("hash %s, kept %s", images.Hash, kept.Hash)
	}
	const within = 1e-4 // the sums of other kernels
	m := j.Moments()
	for i, want := range m.Mean {
		if got := kept.Moments.Mean[i]; math.Abs(got-want) > within {
			t.Fatalf("mean %d: %v, kept %v", i, want, got)
		}
	}
	for i, want := range m.Sigma {
		if got := kept.Moments.Sigma[i]; math.Abs(got-want) > within {
			t.Fatalf("covariance %d: %v, kept %v", i, want, got)
		}
	}
	f, err := j.floor(ctx, 512)
	if err != nil {
		t.Fatal(err)
	}
	if got := kept.knownFloor(512, 0); got == nil || math.Abs(got.FID-f.FID) > 1e-3*f.FID {
		t.Errorf("floor %v, kept %v", f.FID, got)
	}
}
