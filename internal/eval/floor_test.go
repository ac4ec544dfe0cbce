package eval

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"

	"diffuse/internal/fault"
	"diffuse/internal/rng"
)

// A floor is the mean score of disjoint draws of real rows, and the same from the
// same seed.
func TestMeasureFloor(t *testing.T) {
	g := randomGaussian(source(1), 6, 1, 3)
	held, reference := g.draw(source(2), 400), g.draw(source(3), 500)
	moments := momentsOf(t, reference)
	floor := func(n int, seed uint64) Floor {
		f, err := MeasureFloor(held, moments, reference, n, KIDBlocks, seed)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	got := floor(100, 1)
	var fids, kids []float64
	seen := make([]bool, 400)
	order := rng.Perm(400, 1, rng.FloorRows, 0)
	for d := range 4 {
		index := slices.Sorted(slices.Values(order[100*d : 100*(d+1)]))
		for _, i := range index {
			seen[i] = true
		}
		fids = append(fids, fidOf(t, momentsOf(t, picked{held, index}), moments))
		kids = append(kids, kidOf(t, picked{held, index}, reference, KIDBlocks).Value)
	}
	if slices.Contains(seen, false) {
		t.Error("some rows are in no draw")
	}
	fid, std := stat.MeanStdDev(fids, nil)
	if want := (Floor{FID: fid, N: 100, Draws: 4}); got.FID != want.FID || got.N != want.N || got.Draws != want.Draws {
		t.Errorf("floor %+v, want %+v", got, want)
	}
	if want := std / 2; math.Abs(*got.FIDStdErr-want) > 1e-12 {
		t.Errorf("a standard error of %v, want %v", *got.FIDStdErr, want)
	}
	if want := stat.Mean(kids, nil); *got.KID != want {
		t.Errorf("KID %v, want %v", *got.KID, want)
	}
	if again := floor(100, 1); again.FID != got.FID || *again.KID != *got.KID {
		t.Error("one seed gives two floors")
	}
	if other := floor(100, 2); other.FID == got.FID {
		t.Error("two seeds give one floor")
	}
	if f := floor(1000, 1); f.N != 400 || f.Draws != 1 || f.FIDStdErr != nil {
		t.Errorf("a floor of more than the 400 rows: %+v", f)
	}
	if f := floor(150, 1); f.N != 150 || f.Draws != 2 {
		t.Errorf("a floor of 400 rows, 150 at a time: %+v", f)
	}
	f, err := MeasureFloor(held, moments, nil, 100, "", 1)
	if err != nil || f.KID != nil || f.FID != got.FID {
		t.Errorf("without the reference's rows: %+v, %v", f, err)
	}
	if _, err := MeasureFloor(held, moments, nil, 1, "", 1); fault.Code(err) != int(fault.Usage) {
		t.Errorf("a floor of one: %v", err)
	}
}

// A reference that is all there is: its halves.
func TestFloorOfHalves(t *testing.T) {
	g := randomGaussian(source(1), 6, 1, 3)
	chosen, rest, err := Split(g.draw(source(2), 400), 200, 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := MeasureFloor(chosen, momentsOf(t, rest), rest, 200, KIDBlocks, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := fidOf(t, momentsOf(t, chosen), momentsOf(t, rest)); f.FID != want || f.N != 200 {
		t.Errorf("%+v, want %v of 200", f, want)
	}
}
