package train

import (
	"context"
	"errors"
	"time"

	"diffuse/internal/dataset"
	"diffuse/internal/fault"
)

const hintDiverged = "lower train.lr, or set train.clip=1; what was saved before is whole"

// Run trains from where the trainer stands to the end. When ctx ends it
// finishes the micro-batches begun, saves and returns an error of kind
// fault.Interrupted. When an observer returns ErrStop it saves, at the end of
// the epoch where all of its steps are done, and returns nil.
func (t *Trainer) Run(ctx context.Context) error {
	t.epochBegan = time.Now()
	err := t.emit(ctx, Started{
		Step: t.Step, Total: t.total, StepsPerEpoch: t.stepsPerEpoch, Epochs: t.epochs(),
		Parameters: t.Net.Params().Count(), TrainImages: t.Train.N, ValidImages: t.Valid.N,
		Workers: t.Workers, Resumed: t.Step > 0,
	})
	for err == nil && !t.finished() && !t.stopped() {
		if t.Step < t.total && t.Position < t.stepsPerEpoch {
			err = t.next(ctx)
		} else {
			err = t.endEpoch(ctx)
		}
	}
	if err == nil && t.Ended != t.Step && !t.suspect() { // stopped within an epoch
		err = t.save(ctx, false)
	}
	return t.ended(ctx, err)
}

// finished tells whether the last step is done and validated.
func (t *Trainer) finished() bool { return t.Step >= t.total && t.Ended == t.Step }

// stopped tells whether to end here, as an observer asked. An epoch whose steps
// are done is ended first.
func (t *Trainer) stopped() bool { return t.stop && t.Step < t.total && t.Position < t.stepsPerEpoch }

// epochs is how many epochs the run has begun when it ends.
func (t *Trainer) epochs() int { return (t.total + t.stepsPerEpoch - 1) / t.stepsPerEpoch }

// next takes one step and saves where one is due within an epoch.
func (t *Trainer) next(ctx context.Context) error {
	if err := t.OneStep(ctx); err != nil {
		return err
	}
	every := t.Config.Train.CheckpointEvery
	within := t.Step < t.total && t.Position < t.stepsPerEpoch
	if every > 0 && t.Step%every == 0 && within && !t.suspect() {
		return t.save(ctx, false)
	}
	return nil
}

// OneStep takes the next optimizer step: a batch's gradient, and unless it is
// not finite, an update.
func (t *Trainer) OneStep(ctx context.Context) error {
	began := time.Now()
	images := t.batch()
	t.now = t.training.at(images, t.Step)
	r, err := t.gradient.compute(ctx, &t.now)
	if err != nil {
		return err
	}
	lr, beta1 := t.rate(t.Step)
	t.Step++
	t.Position++
	if r.What != "" {
		return t.skip(ctx, r)
	}
	t.NonFiniteInRow = 0
	params := t.Net.Params()
	t.optimizer.update(adamStep{
		params: params.Data[:params.Trained()], gradient: t.gradient.sum(),
		lr: lr, beta1: beta1, update: t.Updates, clip: clipFactor(r.Norm, t.Config.Train.Clip),
	})
	t.Net.Track(t.gradient.sum(), len(images))
	t.optimizer.track(params)
	t.Net.Repack(t.team)
	t.Updates++
	t.LossSum += r.Loss * float64(len(images))
	t.LossImages += len(images)
	if len(t.Observers) == 0 {
		return nil // an event that nobody hears of would be garbage
	}
	return t.emit(ctx, Step{
		Step: t.Step, Total: t.total, Epoch: t.Epoch + 1, Images: len(images),
		Loss: r.Loss, LR: lr, GradNorm: r.Norm, Seconds: time.Since(began).Seconds(),
	})
}

// batch is the next batch's images: the next of the epoch's order. The last
// batch of an epoch may be smaller, as PyTorch's DataLoader has it.
func (t *Trainer) batch() []int {
	if t.orderOf != t.Epoch {
		t.order, t.orderOf = dataset.Order(t.Train.N, t.Seed, t.Epoch), t.Epoch
	}
	size := t.Config.Train.Batch
	lo := t.Position * size
	return t.order[lo:min(lo+size, len(t.order))]
}

// skip counts a step whose loss or gradient is not finite. It changes no
// weights; too many in a row end the run.
func (t *Trainer) skip(ctx context.Context, r lossOf) error {
	t.NonFinite++
	t.NonFiniteInRow++
	err := t.emit(ctx, NonFinite{
		Step: t.Step, Epoch: t.Epoch + 1, What: r.What, Layer: r.Layer, InRow: t.NonFiniteInRow, Count: t.NonFinite,
	})
	if err == nil && t.NonFiniteInRow >= maxNonFinite {
		return fault.New(fault.Diverged, hintDiverged,
			"the %s was not finite %d steps in a row, up to step %d; first in %s", r.What, t.NonFiniteInRow, t.Step, r.Layer)
	}
	return err
}

// suspect tells whether the last step was not finite. The weights may be what
// made it so: a checkpoint of them must not replace a good one. Nothing is lost,
// for the steps since that one can be done again.
func (t *Trainer) suspect() bool { return t.NonFiniteInRow > 0 && exists(weightsPath(t.Dir, Last)) }

// endEpoch validates, has samples drawn, and saves: at the end of each epoch
// and of the run.
func (t *Trainer) endEpoch(ctx context.Context) error {
	valid, err := t.validate(ctx)
	if err != nil {
		return err
	}
	valid.Best = finite(valid.score()) && (t.Best == nil || valid.score() < *t.Best)
	if err := t.emit(ctx, *valid); err != nil {
		return err
	}
	if !finite(valid.ValidLoss) || valid.AverageOn && !finite(valid.ValidEMA) {
		return fault.New(fault.Diverged, hintDiverged, "the validation loss after step %d is not finite", t.Step)
	}
	if every := t.Config.Train.GridEvery; every > 0 && !t.crew.objective.classifies() && (valid.Epoch%every == 0 || t.Step == t.total) {
		if err := t.emit(ctx, t.grid(valid.Epoch)); err != nil {
			return err
		}
	}
	if err := t.evaluate(ctx, valid.Epoch); err != nil {
		return err
	}
	t.closeEpoch(valid)
	return t.save(ctx, true)
}

// evaluate has the net's images scored, where that is due.
func (t *Trainer) evaluate(ctx context.Context, epoch int) error {
	every := t.Config.Eval.Every
	if every == 0 || t.crew.objective.classifies() || epoch%every != 0 && t.Step != t.total {
		return nil
	}
	e := &Evaluation{Grid: t.grid(epoch)}
	if err := t.emit(ctx, e); err != nil {
		return err
	}
	if e.FID != nil && finite(*e.FID) && (t.BestFID == nil || *e.FID < *t.BestFID) {
		t.BestFID, t.BestFIDStep = e.FID, t.Step
	}
	return nil
}

// score is what the best epoch is chosen by: the validation loss of the
// weights that sampling takes, which is the average where there is one.
func (e *Epoch) score() float64 {
	if e.AverageOn {
		return e.ValidEMA
	}
	return e.ValidLoss
}

// closeEpoch counts the epoch as done. An epoch that the end of the run cut short
// stays open, so that a longer run can go on within it.
func (t *Trainer) closeEpoch(e *Epoch) {
	if e.Best {
		t.Best, t.BestStep = known(e.score()), t.Step
	}
	t.TrainLoss, t.ValidLoss, t.ValidEMA = known(e.TrainLoss), known(e.ValidLoss), nil
	if e.AverageOn {
		t.ValidEMA = known(e.ValidEMA)
	}
	t.Ended = t.Step
	if t.Position == t.stepsPerEpoch {
		t.Epoch++
		t.Position, t.LossSum, t.LossImages = 0, 0, 0
	}
	t.epochBegan = time.Now()
}

// validate runs the validation images, always under the same noise and
// timesteps, through the net with its weights and with their average.
func (t *Trainer) validate(ctx context.Context) (*Epoch, error) {
	images := make([]int, t.Valid.N)
	for i := range images {
		images[i] = i
	}
	e := &Epoch{Epoch: t.Epoch + 1, Step: t.Step, TrainLoss: t.epochLoss(), AverageOn: t.optimizer.average != nil}
	began, passes := time.Now(), 1
	if e.AverageOn {
		passes = 2
	}
	if err := t.emit(ctx, Validating{Epoch: e.Epoch, Images: passes * len(images)}); err != nil {
		return nil, err
	}
	measure := func(loss *float64) func() error {
		return func() (err error) {
			b := t.validation.at(images, 0)
			if t.crew.objective.classifies() {
				*loss, e.Confusion, err = confusion(ctx, t.crew, &b)
			} else {
				*loss, err = meanLoss(ctx, t.crew, &b, nil)
			}
			return err
		}
	}
	err := measure(&e.ValidLoss)()
	if err == nil && e.AverageOn {
		err = t.withAverage(measure(&e.ValidEMA))
	}
	e.Seconds, e.ValidSeconds = time.Since(t.epochBegan).Seconds(), time.Since(began).Seconds()
	return e, err
}

// withAverage runs f while the net holds the moving average of its weights.
func (t *Trainer) withAverage(f func() error) error {
	exchange := func() {
		t.optimizer.swap(t.Net.Params().Data)
		t.Net.Repack(t.team)
	}
	exchange()
	defer exchange()
	return f()
}

func (t *Trainer) grid(epoch int) Grid {
	g := Grid{Epoch: epoch, Step: t.Step, Net: t.Net}
	if t.optimizer.average != nil {
		g.WithAverage = t.withAverage
	}
	return g
}

// emit tells every observer, in order; the first error ends the telling, but for
// ErrStop, which is heeded later.
func (t *Trainer) emit(ctx context.Context, e Event) error {
	for _, o := range t.Observers {
		err := o.Observe(ctx, e)
		if errors.Is(err, ErrStop) {
			t.stop = true
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ended saves what an error would lose, unless the numbers themselves went bad,
// and says how to go on.
func (t *Trainer) ended(ctx context.Context, err error) error {
	if err == nil || fault.Code(err) == int(fault.Diverged) || errors.As(err, new(*saveError)) {
		return err
	}
	if !t.suspect() {
		if saved := t.save(context.WithoutCancel(ctx), false); saved != nil {
			return errors.Join(err, saved)
		}
	}
	if ctx.Err() == nil {
		return err
	}
	return fault.New(fault.Interrupted, t.Command, "interrupted after step %d of %d; the run can be resumed", t.Step, t.total)
}
