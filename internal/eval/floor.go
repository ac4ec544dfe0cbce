package eval

import (
	"slices"

	"gonum.org/v1/gonum/stat"

	"diffuse/internal/fault"
	"diffuse/internal/rng"
)

// Floor is the score of real images against real images: what a perfect model
// would get at this n. A score below its floor is luck, or copies. It is the mean
// of some draws, since which classes a draw holds more of moves its FID a good deal.
type Floor struct {
	FID       float64  `json:"fid"`
	FIDStdErr *float64 `json:"fid_stderr,omitempty"` // of the mean; nil of one draw
	KID       *float64 `json:"kid,omitempty"`        // nil where the reference's rows are not known
	N         int      `json:"n"`                    // how many real images stood in for samples in each draw
	Draws     int      `json:"draws,omitempty"`      // 0 where it is not known
}

// MeasureFloor scores rows of held, real images that are not in the reference, n
// at a time, as samples are scored: against moments, and against reference's rows
// where it is not nil, under the same estimator of KID. It draws as often as held
// has n other rows, by seed; where held has fewer than n it gives them all, and
// Floor.N says so.
//
// Where no other real images exist, Split the reference: n of its rows against
// the rest of it, so that none meets itself.
func MeasureFloor(held Source, moments Moments, reference Source, n int, estimator string, seed uint64) (Floor, error) {
	if n < 2 {
		return Floor{}, fault.New(fault.Usage, "", "a floor of %d images: it needs at least two", n)
	}
	n = min(n, held.Len())
	order := rng.Perm(held.Len(), seed, rng.FloorRows, 0)
	var fids, kids []float64
	for index := range slices.Chunk(order[:held.Len()/n*n], n) {
		slices.Sort(index)
		chosen := picked{held, index}
		m, err := MomentsOf(chosen)
		if err != nil {
			return Floor{}, err
		}
		fid, err := FID(m, moments)
		if err != nil {
			return Floor{}, err
		}
		fids = append(fids, fid)
		if reference == nil {
			continue
		}
		k, err := MeasureKID(chosen, reference, estimator, seed)
		if err != nil {
			return Floor{}, err
		}
		kids = append(kids, k.Value)
	}
	return floorOf(fids, kids, n), nil
}

// floorOf is the mean of draws of n images.
func floorOf(fids, kids []float64, n int) Floor {
	f := Floor{FID: stat.Mean(fids, nil), N: n, Draws: len(fids)}
	if len(fids) > 1 {
		e := stat.StdErr(stat.StdDev(fids, nil), float64(len(fids)))
		f.FIDStdErr = &e
	}
	if kids != nil {
		kid := stat.Mean(kids, nil)
		f.KID = &kid
	}
	return f
}
