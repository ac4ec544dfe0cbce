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
	var step, loss, lr []float64
	for _, s := range r.Steps {
		step, loss, lr = append(step, float64(s.Step)), append(loss, s.Loss), append(lr, s.LR)
	}
	lines := []plot.Line{{Label: "training, smoothed", X: step, Y: smooth(loss, max(1, len(loss)/50))}}
	valid, average := plot.Line{Label: "validation"}, plot.Line{Label: "validation, averaged weights", Dashed: true}
	for _, e := range r.Epochs {
		addPoint(&valid, e.Step, e.ValidLoss)
		addPoint(&average, e.Step, e.ValidEMA)
	}
	for _, l := range []plot.Line{valid, average} {
		if len(l.X) > 0 {
			lines = append(lines, l)
		}
	}
	return []plot.Chart{
		{Title: "loss", XLabel: "step", YLabel: "mean squared error", LogY: true, Lines: lines},
		{Title: "learning rate", XLabel: "step", YLabel: "lr", Lines: []plot.Line{{X: step, Y: lr}}},
	}
}

// addPoint adds a validation's loss, where it is known, to its curve.
func addPoint(l *plot.Line, step int, loss *float64) {
	if loss != nil {
		l.X, l.Y = append(l.X, float64(step)), append(l.Y, *loss)
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
