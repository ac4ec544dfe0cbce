package train

import (
	"context"
	"errors"

	"diffuse/internal/model"
)

// ErrStop is what an observer returns to end the run well: it can be resumed.
var ErrStop = errors.New("an observer asks for the end of the run")

// An Observer hears of what happens in the loop. An error it returns ends the
// run; ErrStop does once the others have heard and the state is saved. It must not change the net's parameters.
type Observer interface {
	Observe(ctx context.Context, e Event) error
}

// Event is one of Started, Step, NonFinite, Validating, Epoch, Grid, *Evaluation
// and Saved.
type Event any

// Started is the first event of a run or of its resumption.
type Started struct {
	Step, Total   int // steps done before, steps when the run ends
	StepsPerEpoch int
	Epochs        int // when the run ends; the last may be begun only
	Parameters    int
	TrainImages   int
	ValidImages   int
	Workers       int
	Resumed       bool
}

// Step is one optimizer step.
type Step struct {
	Step, Total int // steps done, with this one; steps when the run ends
	Epoch       int // from 1
	Images      int // in its batch
	Loss        float64
	LR          float64
	GradNorm    float64 // before clipping
	Seconds     float64
}

// NonFinite is a step without update, for its loss or gradient was not finite.
type NonFinite struct {
	Step  int    // from 1
	Epoch int    // from 1
	What  string // "loss" or "gradient"
	Layer string // the first layer with a NaN or an infinity
	InRow int    // such steps without a good one between
	Count int    // such steps in the run
}

// Validating comes before the validation images are run.
type Validating struct {
	Epoch  int
	Images int // forward passes, of weights and average together
}

// Epoch is the end of an epoch, or of the run within one.
type Epoch struct {
	Epoch        int // from 1
	Step         int // steps done
	TrainLoss    float64
	ValidLoss    float64
	AverageOn    bool
	ValidEMA     float64   // of the moving average, where AverageOn
	Confusion    Confusion // of a classifier on the validation images, by the weights Best is judged by; else nil
	Best         bool      // no epoch had a lower validation loss
	Seconds      float64   // since the epoch began or was resumed
	ValidSeconds float64   // of them, for validation
}

// Grid is the moment to draw samples: the net's weights stand still.
type Grid struct {
	Epoch int // from 1
	Step  int
	Net   model.Net
	// WithAverage runs f while Net holds the moving average; nil without one.
	WithAverage func(f func() error) error
}

// Evaluation is the moment to draw images and score them, as Grid is that to
// draw some. Whoever does so sets FID; the checkpoint of the lowest one is kept.
type Evaluation struct {
	Grid
	FID *float64
}

// Saved is a checkpoint on disk.
type Saved struct {
	Step int
	Path string // its weights
	Best bool   // also the best one
}
