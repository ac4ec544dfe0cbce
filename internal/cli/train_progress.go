package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/schollz/progressbar/v3"

	"diffuse/internal/run"
	"diffuse/internal/train"
)

// warner logs steps that were skipped, grids that could not be drawn, scores and
// alerts. It is a train.Observer.
type warner struct{ log *slog.Logger }

func (w *warner) Observe(ctx context.Context, e train.Event) error {
	switch e := e.(type) {
	case train.NonFinite:
		w.log.Warn("step skipped: the "+e.What+" is not finite", "step", e.Step, "layer", e.Layer, "in_row", e.InRow, "in_run", e.Count)
	case run.GridFailed:
		w.log.Warn("no sample grid", "epoch", e.Epoch, "error", e.Err)
	case run.ScoreFailed:
		w.log.Warn("no score", "epoch", e.Epoch, "error", e.Err)
	case run.ScoreCost:
		w.log.Info("each score draws", "images", e.Images, "net_calls", e.NetCalls, "about", shortTime(time.Duration(e.Seconds*float64(time.Second))))
	case run.Scored:
		w.log.Info(e.Score.FIDLine(), "epoch", e.Epoch, "weights", e.Weights)
	case run.Alert:
		level := slog.LevelInfo
		if e.Bad {
			level = slog.LevelWarn
		}
		w.log.Log(ctx, level, e.Message, "alert", e.Rule)
	case run.Undelivered:
		w.log.Warn("alert not delivered", "alert", e.Rule, "to", e.To, "error", e.Err)
	}
	return nil
}

// newProgress shows how training goes: a bar on a terminal, lines elsewhere.
func newProgress(stdio *IO) train.Observer {
	if stdio.ErrIsTerminal {
		return &barProgress{w: stdio.Err}
	}
	return &lineProgress{w: stdio.Err}
}

// pace sums up steps: since the last report, and since the process began.
type pace struct {
	started train.Started
	steps   int     // in this process
	seconds float64 // of them and of validations

	recentLoss    float64 // Σ loss·images since the last report
	recentImages  int
	recentSeconds float64
}

func (p *pace) step(e train.Step) {
	p.steps++
	p.seconds += e.Seconds
	p.recentLoss += e.Loss * float64(e.Images)
	p.recentImages += e.Images
	p.recentSeconds += e.Seconds
}

// report is the mean loss and the speed since the last report.
func (p *pace) report() (loss, imgPerS float64) {
	loss, imgPerS = p.recentLoss/float64(p.recentImages), float64(p.recentImages)/p.recentSeconds
	p.recentLoss, p.recentImages, p.recentSeconds = 0, 0, 0
	return loss, imgPerS
}

// left is how long the steps to come will take, at the process's mean pace.
func (p *pace) left(step int) time.Duration {
	if p.steps == 0 {
		return 0
	}
	return time.Duration(float64(p.started.Total-step) * p.seconds / float64(p.steps) * float64(time.Second))
}

// lineEvery is how much training lies between two lines, in seconds.
const lineEvery = 10

// lineProgress writes plain lines: at the first step, every ten seconds of
// training, and at each epoch. It is a train.Observer.
type lineProgress struct {
	w io.Writer
	pace
}

func (p *lineProgress) Observe(_ context.Context, e train.Event) error {
	switch e := e.(type) {
	case train.Started:
		p.started = e
	case train.Step:
		p.step(e)
		if p.recentSeconds < lineEvery && p.steps > 1 {
			return nil
		}
		loss, imgPerS := p.report()
		_, err := fmt.Fprintf(p.w, "step %d/%d  epoch %d/%d  loss %.4f  lr %.2g  %.4g images/s  %s left\n",
			e.Step, e.Total, e.Epoch, p.started.Epochs, loss, e.LR, imgPerS, shortTime(p.left(e.Step)))
		return err
	case train.Epoch:
		p.seconds += e.ValidSeconds
		_, err := fmt.Fprintln(p.w, epochLine(e, p.started.Epochs))
		return err
	}
	return nil
}

// barProgress draws a bar and, above it, a line for each epoch. It is a
// train.Observer.
type barProgress struct {
	w io.Writer
	pace
	bar *progressbar.ProgressBar
	old bool // what the bar says is over: the next step says something new
}

// barEvery is how much training lies between two changes of the bar's text, in
// seconds.
const barEvery = 0.5

func (p *barProgress) Observe(_ context.Context, e train.Event) error {
	switch e := e.(type) {
	case train.Started:
		p.started = e
		p.bar = progressbar.NewOptions(e.Total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(20),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(false))
		return p.bar.Set(e.Step)
	case train.Step:
		p.step(e)
		if p.recentSeconds >= barEvery || p.steps == 1 || p.old {
			p.old = false
			loss, imgPerS := p.report()
			p.bar.Describe(fmt.Sprintf("epoch %d/%d  loss %.4f  %.4g images/s  %s left",
				e.Epoch, p.started.Epochs, loss, imgPerS, shortTime(p.left(e.Step))))
		}
		return p.bar.Set(e.Step)
	case train.Validating:
		p.bar.Describe(fmt.Sprintf("epoch %d/%d  validating", e.Epoch, p.started.Epochs))
	case train.Grid:
		p.bar.Describe(fmt.Sprintf("epoch %d/%d  drawing samples", e.Epoch, p.started.Epochs))
	case train.Epoch:
		p.old = true
		p.seconds += e.ValidSeconds
		if err := p.bar.Clear(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(p.w, epochLine(e, p.started.Epochs)); err != nil {
			return err
		}
		return p.bar.RenderBlank()
	}
	return nil
}

// epochLine is what both say of an epoch.
func epochLine(e train.Epoch, epochs int) string {
	line := fmt.Sprintf("epoch %d/%d  step %d  train loss %.4f  valid loss %.4f", e.Epoch, epochs, e.Step, e.TrainLoss, e.ValidLoss)
	if e.AverageOn {
		line += fmt.Sprintf("  of the average %.4f", e.ValidEMA)
	}
	if e.Confusion != nil {
		line += fmt.Sprintf("  accuracy %.4f", e.Confusion.Accuracy())
	}
	line += "  " + shortTime(time.Duration(e.Seconds*float64(time.Second)))
	if e.Best {
		line += "  best"
	}
	return line
}

// shortTime writes a duration for people: 850ms, 12s, 3m20s, 2h05m.
func shortTime(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}
