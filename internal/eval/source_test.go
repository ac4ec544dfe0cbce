package eval

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"diffuse/internal/fault"
)

func TestRowsRefusesAPartOfARow(t *testing.T) {
	for _, dim := range []int{0, 3} {
		if _, err := Rows(make([]float32, 4), dim); fault.Code(err) != int(fault.Data) {
			t.Errorf("4 numbers as rows of %d: %v", dim, err)
		}
	}
}

// Features in a file score as those in memory do, bit for bit.
func TestStored(t *testing.T) {
	const n, d, header = 300, 7, 13
	src := randomGaussian(source(1), d, 1, 10).draw(source(2), n).(rows)
	var file bytes.Buffer
	file.Write(make([]byte, header))
	if err := binary.Write(&file, binary.LittleEndian, src.data); err != nil {
		t.Fatal(err)
	}
	s := Stored(bytes.NewReader(file.Bytes()), header, n, d)
	if !same(momentsOf(t, s), momentsOf(t, src)) {
		t.Error("moments differ")
	}
	got := make([]float32, 2*d)
	if err := s.Read(got, 298); err != nil || !slices.Equal(got, src.data[298*d:]) {
		t.Errorf("the last rows are %v (%v)", got, err)
	}
	short := Stored(bytes.NewReader(file.Bytes()[:file.Len()-1]), header, n, d)
	if _, err := MomentsOf(short); !errors.Is(err, io.EOF) {
		t.Errorf("a file that is cut off: %v", err)
	}
}

func TestSplit(t *testing.T) {
	data := make([]float32, 100)
	for i := range data {
		data[i] = float32(i)
	}
	split := func(seed uint64) (a, b []float32) {
		chosen, rest, err := Split(rows{data, 1}, 30, seed)
		if err != nil {
			t.Fatal(err)
		}
		a, b = make([]float32, chosen.Len()), make([]float32, rest.Len())
		if err := errors.Join(chosen.Read(a, 0), rest.Read(b, 0)); err != nil {
			t.Fatal(err)
		}
		return a, b
	}
	a, b := split(1)
	if len(a) != 30 || !slices.IsSorted(a) || !slices.IsSorted(b) {
		t.Errorf("chosen %v, the rest %v", a, b)
	}
	both := append(slices.Clone(a), b...)
	if slices.Sort(both); !slices.Equal(both, data) {
		t.Error("the parts are not the whole")
	}
	if again, _ := split(1); !slices.Equal(a, again) {
		t.Error("one seed chooses twice")
	}
	if other, _ := split(2); slices.Equal(a, other) {
		t.Error("two seeds choose alike")
	}
	if _, _, err := Split(rows{data, 1}, 101, 1); err == nil {
		t.Error("101 of 100 rows")
	}
}

// Every score refuses what is not finite and names the set and the row, in the
// numbers of the whole set where a part of it is scored.
func TestNotFinite(t *testing.T) {
	const n, d = 300, 4
	good := randomGaussian(source(1), d, 1, 10).draw(source(2), n)
	for _, value := range []float32{float32(math.NaN()), float32(math.Inf(-1))} {
		bad := rows{slices.Clone(good.(rows).data), d}
		bad.data[277*d+3] = value
		is := func(name string, err error, prefix string) {
			t.Helper()
			want := prefix + "row 277: feature 3 is " + map[bool]string{true: "NaN", false: "-Inf"}[value != value]
			if message(err) != want || fault.Code(err) != int(fault.Data) {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
		_, err := MomentsOf(bad)
		is("MomentsOf", err, "")
		_, err = MomentsOf(window{bad, 270, 30})
		is("MomentsOf a part", err, "")
		a := NewAccumulator(d)
		if err := a.Add(bad.data[:200*d]); err != nil {
			t.Fatal(err)
		}
		is("Add", a.Add(bad.data[200*d:]), "")
		for _, estimator := range []string{KIDBlocks, KIDWhole} {
			_, err = MeasureKID(bad, good, estimator, 1)
			is(estimator, err, "samples: ")
			_, err = MeasureKID(good, bad, estimator, 1)
			is(estimator, err, "reference: ")
		}
		_, err = NewManifold(bad, 3)
		is("NewManifold", err, "features: ")
		_, err = Nearest(bad, good)
		is("Nearest", err, "samples: ")
		_, err = CopyThreshold(bad, 1)
		is("CopyThreshold", err, "reference: ")
		m := momentsOf(t, good)
		_, err = FIDInterval(bad, m, m, 0, 1)
		is("FIDInterval", err, "samples: ")
		_, err = MeasureFloor(bad, m, nil, n, KIDBlocks, 1)
		is("MeasureFloor", err, "")
	}
}

// Features of two extractors do not meet.
func TestUnlike(t *testing.T) {
	a := randomGaussian(source(1), 4, 1, 10).draw(source(2), 20)
	b := randomGaussian(source(1), 5, 1, 10).draw(source(2), 20)
	const want = "the samples have 4 features each, the reference 5"
	_, fid := FID(momentsOf(t, a), momentsOf(t, b))
	_, kid := MeasureKID(a, b, KIDWhole, 1)
	_, near := Nearest(a, b)
	_, interval := FIDInterval(a, momentsOf(t, a), momentsOf(t, b), 1, 1)
	_, cover := MeasureCoverage(manifold(t, a, 3), manifold(t, b, 3))
	for _, err := range []error{fid, kid, near, interval, cover} {
		if message(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
