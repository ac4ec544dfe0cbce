package eval

import (
	"testing"

	"diffuse/internal/fault"
)

// A floor is a score of real rows, and the same from the same seed.
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
	chosen, _, err := Split(held, 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := fidOf(t, momentsOf(t, chosen), moments); got.FID != want || got.N != 100 {
		t.Errorf("FID %v of %d, want %v of 100", got.FID, got.N, want)
	}
	if want := kidOf(t, chosen, reference, KIDBlocks).Value; *got.KID != want {
		t.Errorf("KID %v, want %v", *got.KID, want)
	}
	if again := floor(100, 1); again.FID != got.FID || *again.KID != *got.KID {
		t.Error("one seed gives two floors")
	}
	if other := floor(100, 2); other.FID == got.FID {
		t.Error("two seeds give one floor")
	}
	if f := floor(1000, 1); f.N != 400 {
		t.Errorf("a floor of %d of 400 rows", f.N)
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
