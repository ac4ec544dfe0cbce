package eval

import (
	"math"
	"slices"
	"strings"

	"diffuse/internal/fault"
	"diffuse/internal/rng"
)

// The estimators of KID. Each averages the unbiased MMD² over parts of the sets;
// they differ in noise, not in what they estimate, but for a set's order.
const (
	// KIDBlocks is the lesson's: both sets in max(ceil(min(nx,ny)/50), 4)
	// contiguous blocks. Blocks are independent, so they also say how far the
	// mean may be off; small, so it is cheap. Rows should stand in no order.
	KIDBlocks = "blocks"
	// KIDWhole is one block: every pair of rows, the estimate of least variance.
	KIDWhole = "whole"
	// KIDSubsets is torch-fidelity's: 100 random subsets of 1,000 rows of each
	// set, without replacement. (Its generator is NumPy's; ours draws others.)
	KIDSubsets = "subsets"
)

const (
	subsetCount = 100
	subsetSize  = 1000
)

// KIDEstimators lists the estimators' names.
func KIDEstimators() []string { return []string{KIDBlocks, KIDWhole, KIDSubsets} }

// KID is the kernel inception distance: the squared MMD under (a·b/d + 1)³,
// unbiased at any number of images and therefore below zero at times.
type KID struct {
	Value float64 // the mean over blocks
	// StdErr is the standard error of Value as both sets are drawn again. Of
	// blocks it is their spread over the root of their number. Subsets overlap
	// and a whole has no spread: there it is that of the U-statistic's first-order
	// term, measured with the noise of the rows that each row meets. Where the
	// sets are hardly apart there is little but that noise, and the error is too
	// large: √2 times for a whole, up to three times for subsets.
	StdErr    float64
	Std       float64 // of the blocks' values, 0 of one
	Estimator string
	Blocks    int // how many
	Size      int // rows of samples in a block, the fewest

	values []float64 // of the blocks
}

// MeasureKID computes KID of two sets of features under an estimator of
// KIDEstimators; seed chooses the subsets. The set that is named first is called
// the samples in errors: kind Usage for too few rows or an unknown estimator,
// Data for features that do not go together or are not finite.
//
// Source: Bińkowski et al. 2018, "Demystifying MMD GANs".
func MeasureKID(samples, reference Source, estimator string, seed uint64) (KID, error) {
	if err := alike(samples, reference); err != nil {
		return KID{}, err
	}
	x, y := set{samples, "samples"}, set{reference, "reference"}
	switch estimator {
	case KIDBlocks:
		return kidBlocks(x, y, max((min(x.Len(), y.Len())+49)/50, 4))
	case KIDWhole:
		return kidWhole(x, y)
	case KIDSubsets:
		return kidSubsets(x, y, subsetCount, subsetSize, seed)
	}
	return KID{}, fault.New(fault.Usage, "use "+strings.Join(KIDEstimators(), ", "), "unknown KID estimator %q", estimator)
}

// kidBlocks cuts both sets at round(i·n/blocks), halves to even as Python does.
func kidBlocks(x, y set, blocks int) (KID, error) {
	cut := func(s set, i int) set {
		bound := func(i int) int { return int(math.RoundToEven(float64(i*s.Len()) / float64(blocks))) }
		return set{window{s.Source, bound(i), bound(i+1) - bound(i)}, s.name}
	}
	parts, size, err := eachPart(blocks, func(i int) (set, set) { return cut(x, i), cut(y, i) })
	if err != nil {
		return KID{}, err
	}
	k := average(parts)
	k.Estimator, k.Size = KIDBlocks, size
	k.StdErr = k.Std / math.Sqrt(float64(blocks))
	return k, nil
}

func kidWhole(x, y set) (KID, error) {
	if err := enough(x, y, 2); err != nil {
		return KID{}, err
	}
	m, err := mmd2(workers(), x, y)
	if err != nil {
		return KID{}, err
	}
	k := average([]mmd{m})
	k.Estimator, k.Size = KIDWhole, x.Len()
	k.StdErr = math.Sqrt(m.variance(x.Len(), y.Len()))
	return k, nil
}

func kidSubsets(x, y set, count, size int, seed uint64) (KID, error) {
	if err := enough(x, y, size); err != nil {
		return KID{}, err
	}
	subset := func(s set, step int) set {
		index, _ := choose(size, s.Len(), seed, rng.SubsetRows, uint64(step))
		return set{picked{s.Source, index}, s.name}
	}
	parts, _, err := eachPart(count, func(i int) (set, set) { return subset(x, 2*i), subset(y, 2*i+1) })
	if err != nil {
		return KID{}, err
	}
	k := average(parts)
	k.Estimator, k.Size = KIDSubsets, size
	var all mmd // the spread of rows, from every subset
	for _, m := range parts {
		all.varX += m.varX / float64(count)
		all.varY += m.varY / float64(count)
	}
	// What the sets' draw leaves uncertain, and what the subsets' draw adds.
	k.StdErr = math.Sqrt(all.variance(x.Len(), y.Len()) + k.Std*k.Std/float64(count))
	return k, nil
}

// eachPart is MMD² of pairs of parts, and how many rows of x the smallest has.
func eachPart(count int, part func(i int) (x, y set)) ([]mmd, int, error) {
	parts, sizes := make([]mmd, count), make([]int, count)
	err := each(workers(), count, func(_, i int) error {
		x, y := part(i)
		if err := enough(x, y, 2); err != nil {
			return err
		}
		m, err := mmd2(1, x, y)
		parts[i], sizes[i] = m, x.Len()
		return err
	})
	return parts, slices.Min(sizes), err
}

// average is the mean of parts and their spread.
func average(parts []mmd) KID {
	k := KID{Blocks: len(parts), values: make([]float64, len(parts))}
	for i, m := range parts {
		k.values[i] = m.value
	}
	mean, variance := meanVariance(k.values)
	k.Value, k.Std = mean, math.Sqrt(variance)
	return k
}

// enough checks that both sets, or parts of them, have n rows.
func enough(x, y set, n int) error {
	for _, s := range []set{x, y} {
		if s.Len() < n {
			return fault.New(fault.Usage, "give more images or choose another estimator of KID",
				"KID needs %d of the %s in a block, and there are %d", n, s.name, s.Len())
		}
	}
	return nil
}
