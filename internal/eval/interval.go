package eval

import (
	"math"
	"slices"

	"diffuse/internal/fault"
	"diffuse/internal/rng"
)

// Interval says how far a score would move if its samples were drawn again.
type Interval struct {
	Lo, Hi float64 // 95 %
	StdErr float64
}

const replicates = 2000

// FIDInterval is the 95 % bootstrap interval of fid = FID(m, reference), m the
// moments of samples, the reference held fixed; seed draws the replicates.
//
// A replicate is fid plus the mean of the drawn rows' influences, FID's
// first-order term. Whole FIDs of drawn rows would cost an eigenproblem each and
// say it worse: rows that repeat make the covariance narrower, so replicates are
// biased upwards once more, and where the sets are hardly apart, or n ≤ d, they
// spread too far (interval_test.go holds both to the spread of fresh draws).
//
// Replicates are centred: the interval is [fid + q(2.5 %) - mean, fid + q(97.5 %)
// - mean]. FID's own bias stays: this is the interval of FID at this n, as the
// floor beside it is of the same n. Its standard error is right where the sets
// are apart, n ≤ d included, and about 1.4 times too large where they are the
// same and FID has no first-order term. As of any bootstrap, it is too small of a
// few images if rare ones decide. Influences are right to about 1e-6 of the
// covariances' scale, far below what an interval shows.
//
// Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", ch. 13
// and 22.
func FIDInterval(samples Source, m, reference Moments, fid float64, seed uint64) (Interval, error) {
	if samples.Dim() != m.Dim() || m.Dim() != reference.Dim() {
		return Interval{}, unlike(m.Dim(), reference.Dim())
	}
	if samples.Len() != m.N || m.N < 2 {
		return Interval{}, fault.New(fault.Data, "", "an interval needs the samples' features: there are %d of %d", samples.Len(), m.N)
	}
	values, err := influences(set{samples, "samples"}, m, reference)
	if err != nil {
		return Interval{}, err
	}
	_, v := meanVariance(values)
	i := about(fid, values, math.Sqrt(v/float64(m.N)), seed)
	i.Lo = max(0, i.Lo) // FID is not negative
	return i, nil
}

// Interval is the 95 % interval of KID: of blocks by drawing blocks again, about
// the estimate; of one block or of subsets, which overlap, 1.96 standard errors
// to either side. Of few blocks it is too narrow: by 13 % of the least number, 4.
func (k KID) Interval(seed uint64) Interval {
	if k.Estimator != KIDBlocks {
		return Interval{k.Value - 1.96*k.StdErr, k.Value + 1.96*k.StdErr, k.StdErr}
	}
	return about(k.Value, k.values, k.StdErr, seed)
}

// about is the bootstrap interval of the mean of values, moved to the estimate.
func about(estimate float64, values []float64, stdErr float64, seed uint64) Interval {
	drawn := resample(values, seed)
	mean, _ := meanVariance(drawn)
	return Interval{
		Lo:     estimate + quantile(drawn, 0.025) - mean,
		Hi:     estimate + quantile(drawn, 0.975) - mean,
		StdErr: stdErr,
	}
}

// resample is the means of values drawn with replacement, as many as there are.
func resample(values []float64, seed uint64) []float64 {
	n := len(values)
	means := make([]float64, replicates)
	// No replicate fails: the error is nil.
	_ = each(workers(), replicates, func(_, r int) error {
		sum := 0.0
		for i := range n {
			sum += values[rng.Intn(n, seed, rng.Bootstrap, uint64(i), uint64(r))]
		}
		means[r] = sum / float64(n)
		return nil
	})
	return means
}

// quantile is the p-quantile of x, between order statistics linearly (Hyndman
// and Fan's type 7, NumPy's default); it sorts x.
func quantile(x []float64, p float64) float64 {
	slices.Sort(x)
	at := p * float64(len(x)-1)
	i := int(at)
	if i+1 == len(x) {
		return x[i]
	}
	return x[i] + (at-float64(i))*(x[i+1]-x[i])
}
