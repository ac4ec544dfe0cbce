package notify

import (
	"math"

	"diffuse/internal/machine"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// window is how many steps a noisy metric is averaged over.
const window = 20

// reading is a metric's new value.
type reading struct {
	metric string
	value  float64
}

// place is where in a run something was read.
type place struct{ epoch, step int }

// meter turns a run's events into metrics. The loss of one step is noise, and so
// is its speed: both are means over the last steps, told once there are enough.
type meter struct {
	total, perEpoch int
	first           int  // the step that this attempt begins with
	memory          bool // it is asked for
	losses, images  []float64
	seconds         []float64
}

// started begins an attempt; the losses before it are those of the record, which
// may be nil.
func (m *meter) started(e train.Started, before *run.Record) {
	m.total, m.perEpoch, m.first = e.Total, e.StepsPerEpoch, e.Step+1
	if before == nil {
		return
	}
	for _, s := range before.Steps {
		push(&m.losses, s.Loss)
	}
}

// at is the place of a step, the last one done.
func (m *meter) at(step int) place {
	if m.perEpoch == 0 {
		return place{}
	}
	return place{(step + m.perEpoch - 1) / m.perEpoch, step}
}

// read is what an event says.
func (m *meter) read(e train.Event) (place, []reading) {
	switch e := e.(type) {
	case train.Step:
		return place{e.Epoch, e.Step}, m.step(e)
	case train.Epoch:
		r := []reading{{"train_loss", e.TrainLoss}, {"valid_loss", e.ValidLoss}}
		if e.AverageOn {
			r = append(r, reading{"valid_loss_ema", e.ValidEMA})
		}
		if e.Confusion != nil {
			r = append(r, reading{"accuracy", e.Confusion.Accuracy()})
		}
		return place{e.Epoch, e.Step}, r
	case run.Scored:
		return place{e.Epoch, e.Step}, scores(e.Score.FID, e.Score.KID)
	}
	return place{}, nil
}

func (m *meter) step(e train.Step) []reading {
	r := []reading{{"lr", e.LR}, {"grad_norm", e.GradNorm}}
	if m.memory {
		r = append(r, reading{"memory", float64(machine.RSS())})
	}
	push(&m.losses, e.Loss)
	if e.Step >= min(window, m.total) {
		r = append(r, reading{"loss", mean(m.losses)})
	}
	if e.Step == m.first { // it also built the graphs
		return r
	}
	push(&m.images, float64(e.Images))
	push(&m.seconds, e.Seconds)
	if len(m.images) >= min(window, m.total-m.first) {
		r = append(r, reading{"img_per_s", mean(m.images) / mean(m.seconds)})
	}
	return r
}

// latest is what a record says last of each metric that outlives the process.
func latest(r *run.Record) []reading {
	var all []reading
	add := func(metric string, value *float64) {
		if value != nil {
			all = append(all, reading{metric, *value})
		}
	}
	if n := len(r.Steps); n > 0 {
		var losses []float64
		for _, s := range r.Steps {
			push(&losses, s.Loss)
		}
		if s := r.Steps[n-1]; s.Step >= min(window, r.Start().Total) {
			all = append(all, reading{"loss", mean(losses)}, reading{"lr", s.LR}, reading{"grad_norm", s.GradNorm})
		}
	}
	if n := len(r.Epochs); n > 0 {
		e := r.Epochs[n-1]
		add("train_loss", e.TrainLoss)
		add("valid_loss", e.ValidLoss)
		add("valid_loss_ema", e.ValidEMA)
		add("accuracy", e.Accuracy)
	}
	if n := len(r.Scores); n > 0 {
		all = append(all, scores(r.Scores[n-1].FID, r.Scores[n-1].KID)...)
	}
	return all
}

func scores(fid, kid *float64) (r []reading) {
	if fid != nil {
		r = append(r, reading{"fid", *fid})
	}
	if kid != nil {
		r = append(r, reading{"kid", *kid})
	}
	return r
}

// push appends x and keeps the last values only.
func push(values *[]float64, x float64) {
	*values = append(*values, x)
	*values = (*values)[max(0, len(*values)-window):]
}

// mean is NaN where there are no values.
func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
