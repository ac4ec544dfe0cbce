package judge

import (
	"context"

	"diffuse/internal/eval"
	"diffuse/internal/fault"
)

// Options are how images are scored.
type Options struct {
	Extractor *Extractor
	Reference *Reference
	Store     Store  // where features are kept; without a folder they are not
	Kernels   string // the kernel set's name
	Workers   int
	Estimator string // of KID, one of eval.KIDEstimators
	Seed      uint64 // chooses the floor's images, subsets and replicates
	NoFloor   bool
	// Progress hears how far a stage is, such as "reference"; nil for nobody.
	Progress func(stage string, done, total int)
}

// Judge scores images against one reference by one extractor.
type Judge struct {
	o       Options
	real    *Rows // the reference's features; nil where only its moments are known
	moments eval.Moments
	floors  map[int]*eval.Floor // by n
}

// New reads the reference through the extractor, or finds what it left in the
// store.
func New(ctx context.Context, o Options) (*Judge, error) {
	o.Workers = max(1, o.Workers)
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	j, r := &Judge{o: o, floors: map[int]*eval.Floor{}}, o.Reference
	if r.Moments != nil {
		j.moments = *r.Moments
		if j.moments.Dim() != o.Extractor.Dim {
			return nil, fault.New(fault.Data, "score against statistics of the same extractor: diffuse stats makes them",
				"%s is of %d features, %s makes %d", r.Name, j.moments.Dim(), o.Extractor.Name, o.Extractor.Dim)
		}
		return j, nil
	}
	var err error
	if j.real, err = j.rows(ctx, r.Images, r.Hash, r.Name, "reference"); err != nil {
		return nil, err
	}
	if j.moments, err = eval.MomentsOf(j.real); err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

// Close lets go of the reference's features.
func (j *Judge) Close() {
	if j.real != nil {
		j.real.Close()
	}
}

// Extractor says what net makes the features.
func (j *Judge) Extractor() eval.Extractor { return j.o.Extractor.Extractor }

// Reference is the name of the real images.
func (j *Judge) Reference() string { return j.o.Reference.Name }

// ReferenceHash stands for all of the real images that a score depends on.
func (j *Judge) ReferenceHash() string { return j.o.Reference.Hash }

// Moments are the reference's.
func (j *Judge) Moments() eval.Moments { return j.moments }

// Features passes images through the extractor into a file that lasts until it
// is closed.
func (j *Judge) Features(ctx context.Context, im Images, stage string) (*Rows, error) {
	return j.rows(ctx, im, "", "", stage)
}

// Prepare measures the floor of n images, so that what is wrong with it is said
// before any are drawn. Of one there is none: its score says so.
func (j *Judge) Prepare(ctx context.Context, n int) error {
	if n < 2 {
		return nil
	}
	_, err := j.floor(ctx, n)
	return err
}

// Score scores images, with every term that the number needs.
func (j *Judge) Score(ctx context.Context, im Images) (*eval.Score, error) {
	if err := j.Prepare(ctx, im.Len()); err != nil {
		return nil, err
	}
	rows, err := j.Features(ctx, im, "samples")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return j.ScoreFeatures(ctx, rows)
}

// ScoreFeatures scores what Features made.
func (j *Judge) ScoreFeatures(ctx context.Context, rows eval.Source) (*eval.Score, error) {
	s := &eval.Score{
		Samples: rows.Len(), Extractor: j.o.Extractor.Extractor, Seed: j.o.Seed,
		Reference: eval.Reference{Name: j.o.Reference.Name, N: j.moments.N, Hash: j.o.Reference.Hash},
	}
	m, err := eval.MomentsOf(rows)
	if err != nil {
		return nil, err
	}
	fid, err := eval.FID(m, j.moments)
	if err != nil {
		return nil, err
	}
	interval, err := eval.FIDInterval(rows, m, j.moments, fid, j.o.Seed)
	if err != nil {
		return nil, err
	}
	s.FID, s.FIDStdErr, s.Interval = &fid, &interval.StdErr, &[2]float64{interval.Lo, interval.Hi}
	if err := j.rowScores(s, rows); err != nil {
		return nil, err
	}
	if s.Floor, err = j.floor(ctx, rows.Len()); err != nil {
		return nil, err
	}
	s.Warnings = j.warnings(m)
	return s, nil
}

// rowScores adds to s what needs the reference's rows: KID, precision and
// recall. Manifolds are of as many rows on both sides, the reference's by seed.
func (j *Judge) rowScores(s *eval.Score, rows eval.Source) error {
	if j.real == nil {
		return nil
	}
	k, err := eval.MeasureKID(rows, j.real, j.o.Estimator, j.o.Seed)
	if err != nil {
		return err
	}
	interval := k.Interval(j.o.Seed)
	s.KID, s.KIDStdErr, s.KIDInterval = &k.Value, &k.StdErr, &[2]float64{interval.Lo, interval.Hi}
	s.KIDEstimator, s.KIDBlocks, s.KIDSize = k.Estimator, k.Blocks, k.Size
	n := min(rows.Len(), j.real.Len(), mostNeighbours)
	if n <= eval.ManifoldK {
		return nil
	}
	manifold := func(src eval.Source) (*eval.Manifold, error) {
		some, _, err := eval.Split(src, n, j.o.Seed)
		if err != nil {
			return nil, err
		}
		return eval.NewManifold(some, eval.ManifoldK)
	}
	samples, err := manifold(rows)
	if err != nil {
		return err
	}
	reference, err := manifold(j.real)
	if err != nil {
		return err
	}
	c, err := eval.MeasureCoverage(samples, reference)
	if err != nil {
		return err
	}
	s.Precision, s.Recall, s.Density, s.Coverage = &c.Precision, &c.Recall, &c.Density, &c.Coverage
	return nil
}

// mostNeighbours bounds the rows of a manifold, whose cost is their square.
const mostNeighbours = 10_000

// floor is the score of n real images, nil where there are none.
func (j *Judge) floor(ctx context.Context, n int) (*eval.Floor, error) {
	if j.o.NoFloor {
		return nil, nil
	}
	if j.real == nil {
		return j.o.Reference.knownFloor(n, j.o.Seed), nil
	}
	if f := j.floors[n]; f != nil {
		return f, nil
	}
	terms := struct {
		Floor, Images, Extractor, Features, Precision, Kernels, Estimator string
		N                                                                 int
		Seed                                                              uint64
	}{"3", j.o.Reference.Hash, j.o.Extractor.Hash, j.o.Extractor.Name, j.o.Extractor.Precision, j.o.Kernels, j.o.Estimator, n, j.o.Seed}
	f := new(eval.Floor)
	if j.o.Store.readFloor(Key(terms), f) {
		j.floors[n] = f
		return f, nil
	}
	measured, err := j.measureFloor(ctx, n)
	if err != nil {
		return nil, err
	}
	j.floors[n] = &measured
	return &measured, j.o.Store.writeFloor(Key(terms), measured)
}

// measureFloor scores real images that are not in the reference: the other
// split's where there is one, else n of the reference's against the rest.
func (j *Judge) measureFloor(ctx context.Context, n int) (eval.Floor, error) {
	if j.o.Reference.held == nil {
		n = min(n, j.real.Len()/2)
		some, rest, err := eval.Split(j.real, n, j.o.Seed)
		if err != nil {
			return eval.Floor{}, err
		}
		moments, err := eval.MomentsOf(rest)
		if err != nil {
			return eval.Floor{}, err
		}
		return j.floorOf(some, moments, rest, n)
	}
	im, name, err := j.o.Reference.held(n*j.floorDraws(n), j.o.Seed)
	if err != nil {
		return eval.Floor{}, err
	}
	held, err := j.rows(ctx, im, name, name, "floor")
	if err != nil {
		return eval.Floor{}, err
	}
	defer held.Close()
	return j.floorOf(held, j.moments, j.real, n)
}

// floorDraws is how often n real images are drawn where there are as many: the more,
// the surer their mean. By a slow extractor they are together no more than the
// reference has, so that their features take no longer than its own.
func (j *Judge) floorDraws(n int) int {
	if j.o.Extractor.slow {
		return min(max(1, j.moments.N/n), mostDraws)
	}
	return mostDraws
}

const mostDraws = 32

// floorOf scores real images, n at a time; by FID alone where they are too few for
// KID's estimator, which the samples were not.
func (j *Judge) floorOf(held eval.Source, moments eval.Moments, reference eval.Source, n int) (eval.Floor, error) {
	f, err := eval.MeasureFloor(held, moments, reference, n, j.o.Estimator, j.o.Seed)
	if fault.Code(err) == int(fault.Usage) {
		return eval.MeasureFloor(held, moments, nil, n, j.o.Estimator, j.o.Seed)
	}
	return f, err
}

// warnings are what a reader of the score must know.
func (j *Judge) warnings(m eval.Moments) (w []string) {
	if m.Singular() {
		w = append(w, "FID of no more images than features is dominated by its bias: compare it with scores of the same n only, or take more samples")
	}
	if j.moments.Singular() {
		w = append(w, "the reference has no more images than features: FID says little")
	}
	return w
}
