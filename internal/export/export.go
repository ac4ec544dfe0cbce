// Package export writes runs' records in the forms that other programs read:
// TensorBoard's event files, CSV, Parquet, and MLflow's REST API.
package export

import (
	"time"

	"diffuse/internal/run"
)

// Run is a run's record with its config as a table, which is nil where the config
// cannot be read.
type Run struct {
	*run.Record
	Config map[string]string
}

// Scalar is one number of a run's curves.
type Scalar struct {
	Tag   string // such as train/loss
	Step  int
	Time  time.Time // when it was logged; zero where that is not known
	Value float64
}

// Scalars are all numbers of a run's curves, each tag's in the order of the log:
// train/loss,
// lr, grad_norm, img_per_s and memory (bytes) of each step; valid/loss, loss_ema
// and accuracy, and train/epoch_loss, of each epoch; score/fid, kid, fid_floor
// and kid_floor of each score.
func (r Run) Scalars() []Scalar {
	var all []Scalar
	at := r.clock()
	add := func(tag string, step int, t time.Time, value *float64) {
		if value != nil {
			all = append(all, Scalar{tag, step, t, *value})
		}
	}
	for i := range r.Steps {
		s := &r.Steps[i]
		t := at(s.Step, "")
		add("train/loss", s.Step, t, &s.Loss)
		add("train/lr", s.Step, t, &s.LR)
		add("train/grad_norm", s.Step, t, &s.GradNorm)
		add("train/img_per_s", s.Step, t, &s.ImgPerS)
		if s.Memory > 0 {
			memory := float64(s.Memory)
			add("train/memory", s.Step, t, &memory)
		}
	}
	for _, e := range r.Epochs {
		t := at(e.Step, e.Time)
		add("train/epoch_loss", e.Step, t, e.TrainLoss)
		add("valid/loss", e.Step, t, e.ValidLoss)
		add("valid/loss_ema", e.Step, t, e.ValidEMA)
		add("valid/accuracy", e.Step, t, e.Accuracy)
	}
	for _, s := range r.Scores {
		t := at(s.Step, s.Time)
		add("score/fid", s.Step, t, s.FID)
		add("score/kid", s.Step, t, s.KID)
		if s.Floor != nil {
			add("score/fid_floor", s.Step, t, &s.Floor.FID)
			add("score/kid_floor", s.Step, t, s.Floor.KID)
		}
	}
	return all
}

// Began is when the run began; zero where that is not known.
func (r Run) Began() time.Time {
	if len(r.Starts) == 0 {
		return time.Time{}
	}
	t, _ := time.Parse(time.RFC3339, r.Starts[0].Time) // a damaged time is not known
	return t
}

// clock tells when a step was logged, or what a line's own time says. Format 1
// wrote no times of steps: they are counted from the beginning, by how long the
// steps took.
func (r Run) clock() func(step int, text string) time.Time {
	times := make(map[int]time.Time, len(r.Steps))
	sum := r.Began()
	for i, s := range r.Steps {
		sum = sum.Add(time.Duration(r.StepSeconds(i) * float64(time.Second)))
		times[s.Step] = sum
		if s.UnixMS > 0 {
			times[s.Step] = time.UnixMilli(s.UnixMS)
		}
	}
	return func(step int, text string) time.Time {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t
		}
		return times[step]
	}
}
