package eval

import (
	"math"
	"slices"
	"testing"
)

func TestNearest(t *testing.T) {
	const d = 6
	actual := randomGaussian(source(1), d, 5, 3).draw(source(2), 300).(rows)
	samples := randomGaussian(source(1), d, 5, 3).draw(source(3), 150).(rows)
	copy(samples.data[140*d:141*d], actual.data[299*d:]) // a copy
	copy(samples.data[7*d:8*d], actual.data[3*d:4*d])    // a near copy
	samples.data[7*d] += 1e-3
	got, err := Nearest(samples, actual)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range got {
		best := Neighbour{Distance: math.Inf(1)}
		for j := range actual.Len() {
			sum := 0.0
			for k := range d {
				v := float64(samples.data[i*d+k]) - float64(actual.data[j*d+k])
				sum += v * v
			}
			if r := math.Sqrt(sum); r < best.Distance {
				best = Neighbour{j, r}
			}
		}
		if n != best {
			t.Errorf("sample %d: %+v, want %+v", i, n, best)
		}
	}
	if got[140] != (Neighbour{299, 0}) {
		t.Errorf("the copy of row 299: %+v", got[140])
	}
	if got[7].Row != 3 || math.Abs(got[7].Distance-1e-3) > 1e-6 {
		t.Errorf("the near copy of row 3: %+v", got[7])
	}
}

// Of ten thousand fresh draws about ten come as near to a actual row as the
// threshold; copies all do. (Ten has a spread of about 3, and the threshold of 4,096
// probes adds half as much again.)
func TestCopyThreshold(t *testing.T) {
	const d = 6
	g := randomGaussian(source(1), d, 1, 2)
	actual := g.draw(source(2), 6000).(rows)
	threshold, err := CopyThreshold(actual, 1)
	if err != nil {
		t.Fatal(err)
	}
	count := func(s Source) int {
		near, err := Nearest(s, actual)
		if err != nil {
			t.Fatal(err)
		}
		return NearCopies(near, threshold)
	}
	if n := count(g.draw(source(3), 10000)); n < 1 || n > 30 {
		t.Errorf("%d of 10000 fresh draws are near copies, want about 10", n)
	}
	noisy := rows{slices.Clone(actual.data[:100*d]), d}
	for i := range noisy.data {
		noisy.data[i] += float32(threshold / 10)
	}
	if n := count(noisy); n != 100 {
		t.Errorf("%d of 100 copies are near copies", n)
	}
}

// Few enough rows are all probes: the threshold is the quantile of every row's
// nearest neighbour but itself.
func TestCopyThresholdOfALine(t *testing.T) {
	var line []float32 // at 0, 1, 3, 6, 10, …: row i ≥ 1 has its neighbour at i
	at := float32(0)
	for i := range 1001 {
		at += float32(i)
		line = append(line, at)
	}
	got, err := CopyThreshold(rows{line, 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got != 1 { // order statistics 1, 1, 2, 3, …; the quantile is the one after the first
		t.Errorf("the threshold is %v, want 1", got)
	}
	if _, err := CopyThreshold(rows{line[:1], 1}, 1); err == nil {
		t.Error("one row has a nearest neighbour")
	}
}
