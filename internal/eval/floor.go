package eval

import "diffuse/internal/fault"

// Floor is the score of real images against real images: what a perfect model
// would get at this n. A score below its floor is luck, or copies.
type Floor struct {
	FID float64  `json:"fid"`
	KID *float64 `json:"kid,omitempty"` // nil where the reference's rows are not known
	N   int      `json:"n"`             // how many real images stood in for samples
}

// MeasureFloor scores n rows of held, real images that are not in the reference,
// as samples are scored: against moments, and against reference's rows where it
// is not nil, under the same estimator of KID. Rows are chosen by seed; where
// held has fewer than n it gives them all, and Floor.N says so.
//
// Where no other real images exist, Split the reference: n of its rows against
// the rest of it, so that none meets itself.
func MeasureFloor(held Source, moments Moments, reference Source, n int, estimator string, seed uint64) (Floor, error) {
	if n < 2 {
		return Floor{}, fault.New(fault.Usage, "", "a floor of %d images: it needs at least two", n)
	}
	chosen, _, err := Split(held, min(n, held.Len()), seed)
	if err != nil {
		return Floor{}, err
	}
	m, err := MomentsOf(chosen)
	if err != nil {
		return Floor{}, err
	}
	f := Floor{N: m.N}
	if f.FID, err = FID(m, moments); err != nil {
		return Floor{}, err
	}
	if reference == nil {
		return f, nil
	}
	k, err := MeasureKID(chosen, reference, estimator, seed)
	if err != nil {
		return Floor{}, err
	}
	f.KID = &k.Value
	return f, nil
}
