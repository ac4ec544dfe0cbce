package judge

import (
	"context"
	_ "embed" // the statistics of Fashion-MNIST's test images
	"encoding/json"
	"fmt"
	"path/filepath"

	"diffuse/internal/eval"
	"diffuse/internal/fault"
	"diffuse/internal/tensorfile"
)

// The entries of an .npz beside mu and sigma that diffuse stats writes.
const (
	statN         = "n"
	statReference = "reference"
	statHash      = "hash"
	statExtractor = "extractor"
	statWeights   = "extractor_hash"
	statFloors    = "floors" // the FID of n real images by n, in JSON
	statFloorSeed = "floor_seed"
)

// StatisticsReference is what pytorch-fid or diffuse stats wrote: mu and sigma of
// features. There is no KID without the features themselves, and no floor but those
// in the file. Where it says whose features they are, another extractor's are
// refused.
func StatisticsReference(path string, e *Extractor) (*Reference, error) {
	s, err := tensorfile.ReadStatistics(path)
	if err != nil {
		return nil, err
	}
	r, err := statisticsReference(path, s, e)
	if err == nil && r.Hash == "" {
		r.Hash, err = HashFile(path)
	}
	return r, err
}

// fashionTest are the statistics of Fashion-MNIST's test images by the extractor
// in the binary, and the floors of some n (make classifier).
//
//go:embed fashion-mnist-test.npz
var fashionTest []byte

// FashionStatistics is Fashion-MNIST's test split where its images are not there:
// a reference for the extractor in the binary and no other.
func FashionStatistics(e *Extractor) (*Reference, error) {
	const name = "the statistics in the binary"
	s, err := tensorfile.DecodeStatistics(name, fashionTest)
	if err != nil {
		return nil, err
	}
	return statisticsReference(name, s, e)
}

// statisticsReference is the reference of statistics that lie at path.
func statisticsReference(path string, s *tensorfile.Statistics, e *Extractor) (*Reference, error) {
	if weights := s.Texts[statWeights]; weights != "" && weights != e.Hash {
		return nil, fault.New(fault.Data, "score with the same extractor, or make statistics by this one: diffuse stats",
			"%s is of features of %s@%.4s, not of %s@%.4s", path, s.Texts[statExtractor], weights, e.Name, e.Hash)
	}
	m, err := eval.NewMoments(int(s.Ints[statN]), s.Mu, s.Sigma)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := &Reference{Name: filepath.Base(path), Hash: s.Texts[statHash], Moments: &m, floorSeed: uint64(s.Ints[statFloorSeed])}
	if name := s.Texts[statReference]; name != "" {
		r.Name = name
	}
	if text := s.Texts[statFloors]; text != "" {
		if err := json.Unmarshal([]byte(text), &r.floors); err != nil {
			return nil, fault.New(fault.Data, "make it again: diffuse stats --floors", "%s: entry %s is no JSON of FIDs by n: %w", path, statFloors, err)
		}
	}
	return r, nil
}

// knownFloor is the floor of n images that was measured with the statistics; nil
// where none was.
func (r *Reference) knownFloor(n int, seed uint64) *eval.Floor {
	fid, ok := r.floors[n]
	if !ok || seed != r.floorSeed {
		return nil
	}
	return &eval.Floor{FID: fid, N: n}
}

// WriteStatistics writes the reference's mean and covariance as pytorch-fid's
// .npz, and beside them what they are of and the floors of some n.
func (j *Judge) WriteStatistics(ctx context.Context, path string, floors []int) error {
	s := &tensorfile.Statistics{
		Mu: j.moments.Mean, Sigma: j.moments.Sigma,
		Ints: map[string]int64{statN: int64(j.moments.N)},
		Texts: map[string]string{
			statReference: j.o.Reference.Name, statHash: j.o.Reference.Hash, statExtractor: j.o.Extractor.Name, statWeights: j.o.Extractor.Hash,
		},
	}
	if len(floors) > 0 {
		known := map[int]float64{}
		for _, n := range floors {
			f, err := j.floor(ctx, n)
			if err != nil {
				return err
			}
			if f == nil || f.N != n {
				return fault.New(fault.Usage, "", "--floors: there are no %d real images beside %s", n, j.o.Reference.Name)
			}
			known[n] = f.FID
		}
		text, err := json.Marshal(known)
		if err != nil {
			return err
		}
		s.Texts[statFloors], s.Ints[statFloorSeed] = string(text), int64(j.o.Seed)
	}
	return tensorfile.WriteStatistics(path, s)
}
