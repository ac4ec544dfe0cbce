package judge

import (
	"context"

	"diffuse/internal/eval"
	"diffuse/internal/plot"
	"diffuse/internal/sample"
)

// Point is the score of x0_hat at one step of a drawing: what the image would be
// if the net's noise were taken away at once.
type Point struct {
	Step     int      `json:"step"` // from 1
	T        float64  `json:"t"`    // the time of the step
	NetCalls int      `json:"net_calls"`
	FID      float64  `json:"fid"`
	KID      *float64 `json:"kid,omitempty"`
}

// Trajectory draws d's images and scores x0_hat at up to so many of the steps,
// evenly spaced, the last among them; and the images themselves.
func (j *Judge) Trajectory(ctx context.Context, d *Drawn, points int) (_ []Point, _ *eval.Score, err error) {
	if err := j.Prepare(ctx, d.Len()); err != nil {
		return nil, nil, err
	}
	steps := evenly(len(d.Sampler.Steps), points)
	x, err := j.o.Extractor.extraction(d, j.o.Workers)
	if err != nil {
		return nil, nil, err
	}
	defer x.team.Close()
	writers := make([]*writer, len(steps)+1) // the last for the images
	defer func() {
		for _, w := range writers {
			if w != nil {
				w.discard()
			}
		}
	}()
	for i := range writers {
		if writers[i], err = j.o.Store.newWriter(x.Dim); err != nil {
			return nil, nil, err
		}
	}
	way := &way{Drawn: d, steps: steps}
	for lo := 0; lo < d.Len(); lo += x.most() {
		if err := way.draw(ctx, lo, min(x.most(), d.Len()-lo)); err != nil {
			return nil, nil, err
		}
		for i, w := range writers {
			rows, err := x.features(way.pixels[i])
			if err != nil {
				return nil, nil, err
			}
			if err := w.add(rows); err != nil {
				return nil, nil, err
			}
		}
		j.o.Progress("samples", min(lo+x.most(), d.Len()), d.Len())
	}
	out := make([]Point, len(steps))
	for i, k := range steps {
		out[i] = Point{Step: k + 1, T: d.Sampler.Steps[k].T, NetCalls: d.Sampler.CallsIn(k + 1)}
		if err := j.point(&out[i], writers[i]); err != nil {
			return nil, nil, err
		}
	}
	rows, err := writers[len(steps)].rows()
	if err != nil {
		return nil, nil, err
	}
	s, err := j.ScoreFeatures(ctx, rows)
	return out, s, err
}

// point scores what w holds.
func (j *Judge) point(p *Point, w *writer) error {
	rows, err := w.rows()
	if err != nil {
		return err
	}
	p.FID, p.KID, err = j.plainScores(rows)
	return err
}

// plainScores are FID and, where the reference's rows are known, KID, without
// intervals.
func (j *Judge) plainScores(rows eval.Source) (fid float64, kid *float64, err error) {
	m, err := eval.MomentsOf(rows)
	if err != nil {
		return 0, nil, err
	}
	if fid, err = eval.FID(m, j.moments); err != nil || j.real == nil {
		return fid, nil, err
	}
	k, err := eval.MeasureKID(rows, j.real, j.o.Estimator, j.o.Seed)
	return fid, &k.Value, err
}

// way keeps x0_hat of some steps, as bytes, and the images in the end.
type way struct {
	*Drawn
	steps  []int
	pixels [][]uint8
}

func (w *way) draw(ctx context.Context, lo, n int) error {
	size := w.ImgSize.Len()
	w.pixels = make([][]uint8, len(w.steps)+1)
	kept := map[int][]uint8{}
	for i := range w.pixels {
		w.pixels[i] = make([]uint8, n*size)
		if i < len(w.steps) {
			kept[w.steps[i]] = w.pixels[i]
		}
	}
	d := *w.Drawn
	d.Options.Watch = func(s sample.State) { // called by several goroutines, each for images of its own
		if to := kept[s.Step]; to != nil {
			copy(to[s.First*size:], plot.ToBytes(s.X0Hat[:s.N*size], w.Range[0], w.Range[1]))
		}
	}
	return d.Read(ctx, w.pixels[len(w.steps)], lo)
}

// evenly are up to most of 0…n−1, the last among them, at equal distances.
func evenly(n, most int) []int {
	most = min(n, most)
	out := make([]int, most)
	for i := range out {
		out[i] = (i+1)*n/most - 1
	}
	return out
}
