package eval

import (
	"math"

	"diffuse/internal/fault"
	"diffuse/internal/rng"
)

// Neighbour is a sample's nearest real image.
type Neighbour struct {
	Row      int     // of the real images; the first of equals
	Distance float64 // Euclidean, of features; 0 for a copy
}

// Nearest finds the nearest row of reference for each row of samples. Distances are
// computed directly for the rows that are found, so a copy is at exactly 0.
func Nearest(samples, reference Source) ([]Neighbour, error) {
	return nearestRows(set{samples, "samples"}, set{reference, "reference"}, nil)
}

// nearestRows is Nearest; where self is given, row i of x is y's row self[i] and
// is not its own neighbour.
func nearestRows(x, y set, self []int) ([]Neighbour, error) {
	if err := alike(x, y); err != nil {
		return nil, err
	}
	if y.Len() < 1 || self != nil && y.Len() < 2 {
		return nil, fault.New(fault.Usage, "", "there is no image to be near to")
	}
	found := make([]Neighbour, x.Len())
	for i := range found {
		found[i].Distance = math.Inf(1) // squared, at first
	}
	err := sweep(workers(), x, &y, func(t *tile) func() {
		local := make([]Neighbour, t.m)
		for i := range local {
			local[i].Distance = math.Inf(1)
			dots, _ := t.row(i)
			for j, dot := range dots {
				if self != nil && self[t.a0+i] == t.b0+j {
					continue
				}
				if d := t.distance(i, j, dot); d < local[i].Distance {
					local[i] = Neighbour{t.b0 + j, d}
				}
			}
		}
		a0 := t.a0
		return func() {
			for i, n := range local {
				if n.Distance < found[a0+i].Distance {
					found[a0+i] = n
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return found, measure(found, x, y)
}

// measure replaces distances by those of the rows themselves: an inner product's
// rounding would show between near copies.
func measure(found []Neighbour, x, y set) error {
	a, b := make([]float32, x.Dim()), make([]float32, x.Dim())
	for i := range found {
		if err := x.Read(a, i); err != nil {
			return err
		}
		if err := y.Read(b, found[i].Row); err != nil {
			return err
		}
		sum := 0.0
		for j, v := range a {
			d := float64(v) - float64(b[j])
			sum += d * d
		}
		found[i].Distance = math.Sqrt(sum)
	}
	return nil
}

const (
	// CopyQuantile is the share of real images that are as near to another one
	// as a near copy is.
	CopyQuantile = 0.001
	maxProbes    = 4096
)

// CopyThreshold is the distance below which two images are near copies: the
// quantile CopyQuantile of the distance from a real image to the nearest other
// one. Fresh draws from the same distribution come that near once in a thousand,
// so n samples that were not copied are expected to show n/1000. Of more than
// 4,096 real images, as many are chosen by seed; each meets all the others. The
// threshold is then about their fourth smallest distance, so that what n samples
// show scatters by half about n/1000; of half as many probes, by 0.7 of it.
//
// The two distances are comparable: either is to the nearest of about the reference's
// number of rows.
func CopyThreshold(reference Source, seed uint64) (float64, error) {
	probes, _ := choose(min(reference.Len(), maxProbes), reference.Len(), seed, rng.ProbeRows, 0)
	near, err := nearestRows(set{picked{reference, probes}, "reference"}, set{reference, "reference"}, probes)
	if err != nil {
		return 0, err
	}
	distances := make([]float64, len(near))
	for i, n := range near {
		distances[i] = n.Distance
	}
	return quantile(distances, CopyQuantile), nil
}

// NearCopies counts the samples that are at most threshold from a real image.
func NearCopies(near []Neighbour, threshold float64) int {
	n := 0
	for _, v := range near {
		if v.Distance <= threshold {
			n++
		}
	}
	return n
}
