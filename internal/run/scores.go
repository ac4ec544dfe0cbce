package run

import (
	"context"
	"time"

	"diffuse/internal/config"
	"diffuse/internal/eval"
	"diffuse/internal/judge"
	"diffuse/internal/model"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"
	"diffuse/internal/train"
)

// Scores draws images with the run's sampler, always from the same seeds, and
// scores them: those of the weights' moving average where there is one. It is a
// train.Observer.
type Scores struct {
	Config   *config.Config
	Schedule *schedule.Schedule
	Shape    sample.Shape
	Classes  []string // that a conditional net knows
	Workers  int
	Net      model.Net // that is trained: what a score costs is measured on it before the first step
	Judge    *judge.Judge
	Told     []train.Observer // hear of each score as Scored or ScoreFailed, and of ScoreCost before all

	drawn *judge.Drawn
}

// Scored is an event: images were scored.
type Scored struct {
	Epoch, Step int
	Weights     string // "raw" or "ema"
	Sampler     string
	NetCalls    int // for one image
	Seconds     float64
	Score       *eval.Score
}

// ScoreFailed is an event: a net in the middle of its training may draw what
// cannot be scored, which is no reason to end the run.
type ScoreFailed struct {
	Epoch, Step int
	Err         error
}

// ScoreCost is an event: what each score is going to take, measured on a few of
// its images.
type ScoreCost struct {
	Images, NetCalls int
	Seconds          float64
}

// Observe says at the start what a score costs, and scores where e asks for it.
func (s *Scores) Observe(ctx context.Context, e train.Event) error {
	switch e := e.(type) {
	case train.Started:
		cost, err := s.prepare()
		if err != nil { // a training of hours does not end for its scores
			return s.tell(ctx, ScoreFailed{Step: e.Step, Err: err})
		}
		return s.tell(ctx, cost)
	case *train.Evaluation:
		if s.drawn == nil {
			return nil // the start said why
		}
		return s.score(ctx, e)
	}
	return nil
}

// score draws and scores images with the weights, or with their average.
func (s *Scores) score(ctx context.Context, evaluation *train.Evaluation) error {
	began, weights := time.Now(), "raw"
	var score *eval.Score
	measure := func() (err error) {
		score, err = s.Judge.Score(ctx, s.drawn)
		return err
	}
	var err error
	if evaluation.WithAverage != nil {
		weights = "ema"
		err = evaluation.WithAverage(measure)
	} else {
		err = measure()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return s.failed(ctx, evaluation, err)
	}
	evaluation.FID = score.FID
	return s.tell(ctx, Scored{
		Epoch: evaluation.Epoch, Step: evaluation.Step, Weights: weights,
		Sampler: s.drawn.Sampler.Name, NetCalls: s.drawn.Sampler.NetCalls(), Seconds: time.Since(began).Seconds(), Score: score,
	})
}

// failed tells of a score that cannot be: it ends no run.
func (s *Scores) failed(ctx context.Context, e *train.Evaluation, err error) error {
	return s.tell(ctx, ScoreFailed{e.Epoch, e.Step, err})
}

// prepare builds the nets and finds what a score will cost, from one call.
func (s *Scores) prepare() (cost ScoreCost, err error) {
	sampler, err := sample.New(whileTrained(s.Config.Sample), s.Schedule, s.Classes)
	if err != nil {
		return cost, err
	}
	n, batch := s.Config.Eval.Samples, s.Config.Sample.Batch
	d := &judge.Drawn{
		Sampler: sampler, ImgSize: s.Shape, Range: s.Config.Data.Range, Options: sample.Options{Batch: batch},
		Seeds: sample.Seeds(s.Config.Sample.Seed, n),
	}
	if d.Nets, err = workers(s.Net, max(1, min(s.Workers, n/batch)), batch); err != nil {
		return cost, err
	}
	x, y, t := make([]float32, batch*s.Shape.Len()), make([]float32, batch*s.Shape.Len()), make([]float64, batch)
	var seconds float64
	for range 2 { // the first call builds the graph
		began := time.Now()
		if err := d.Nets[0].Net.Predict(y, x, t, nil); err != nil {
			return cost, err
		}
		seconds = time.Since(began).Seconds()
	}
	s.drawn = d
	calls := sampler.NetCalls()
	return ScoreCost{Images: n, NetCalls: calls, Seconds: seconds * float64(calls) * float64(n) / float64(batch*len(d.Nets))}, nil
}

// tell passes an event on to those who hear of scores.
func (s *Scores) tell(ctx context.Context, e train.Event) error {
	for _, o := range s.Told {
		if err := o.Observe(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
