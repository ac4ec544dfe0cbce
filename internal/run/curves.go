package run

import (
	"context"

	"diffuse/internal/plot"
	"diffuse/internal/train"
)

// Curves draws a run's losses and learning rate to curves.png at the end of
// each epoch. It is a train.Observer and must come after the Log.
type Curves struct{ Folder Folder }

// Observe draws the curves where e ends an epoch.
func (c Curves) Observe(_ context.Context, e train.Event) error {
	if _, ok := e.(train.Epoch); !ok {
		return nil
	}
	return c.Draw()
}

// Draw draws the curves as the log has them now.
func (c Curves) Draw() error {
	r, err := ReadRecord(c.Folder)
	if err != nil {
		return err
	}
	return plot.WriteCharts(c.Folder.CurvesPath(), r.charts()...)
}

// charts are the panels: the training loss of each step, smoothed, with the
// validation losses; and the learning rate.
func (r *Record) charts() []plot.Chart {
	lines := []plot.Line{r.LossLine("training, smoothed")}
	average := plot.Line{Label: "validation, averaged weights", Dashed: true}
	for _, e := range r.Epochs {
		addPoint(&average, e.Step, e.ValidEMA)
	}
	for _, l := range []plot.Line{r.ValidLine("validation"), average} {
		if len(l.X) > 0 {
			lines = append(lines, l)
		}
	}
	return []plot.Chart{
		{Title: "loss", XLabel: "step", YLabel: "mean squared error", LogY: true, Lines: lines},
		{Title: "learning rate", XLabel: "step", YLabel: "lr", Lines: []plot.Line{r.RateLine("")}},
	}
}

// LossLine is the training loss over the steps, the mean of a fiftieth of them.
func (r *Record) LossLine(label string) plot.Line {
	l := plot.Line{Label: label}
	var loss []float64
	for _, s := range r.Steps {
		l.X, loss = append(l.X, float64(s.Step)), append(loss, s.Loss)
	}
	l.Y = smooth(loss, max(1, len(loss)/50))
	return l
}

// ValidLine is the validation loss of the weights over the steps.
func (r *Record) ValidLine(label string) plot.Line {
	l := plot.Line{Label: label}
	for _, e := range r.Epochs {
		addPoint(&l, e.Step, e.ValidLoss)
	}
	return l
}

// RateLine is the learning rate over the steps.
func (r *Record) RateLine(label string) plot.Line {
	l := plot.Line{Label: label}
	for _, s := range r.Steps {
		l.X, l.Y = append(l.X, float64(s.Step)), append(l.Y, s.LR)
	}
	return l
}

// FIDLine is FID over the steps.
func (r *Record) FIDLine(label string) plot.Line {
	l := plot.Line{Label: label}
	for _, s := range r.Scores {
		addPoint(&l, s.Step, s.FID)
	}
	return l
}

// addPoint adds a loss or a score, where it is known, to its curve.
func addPoint(l *plot.Line, step int, value *float64) {
	if value != nil {
		l.X, l.Y = append(l.X, float64(step)), append(l.Y, *value)
	}
}

// smooth is the mean of the last n values at each place.
func smooth(y []float64, n int) []float64 {
	out := make([]float64, len(y))
	var sum float64
	for i, v := range y {
		sum += v
		if i >= n {
			sum -= y[i-n]
		}
		out[i] = sum / float64(min(i+1, n))
	}
	return out
}
