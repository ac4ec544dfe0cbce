// Package notify tells people and programs what happens to a run: a condition of
// the config's notify was met, or the run ended. It also ends a run whose
// condition of --until is met. Delivery goes on beside the training, which it
// neither slows nor fails.
package notify

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"diffuse/internal/condition"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// Setup is what a Notifier is made of.
type Setup struct {
	Folder  run.Folder
	When    []condition.Condition // what to tell, each once
	Until   *condition.Condition  // a comparison that ends the run; nil for none
	Targets []Target              // whom to tell
	Told    []train.Observer      // hear of each alert as run.Alert, and as run.Undelivered where it did not arrive
}

// Notifier watches one attempt of a run. It is a train.Observer, and must hear of
// run.Scored too, the last of all.
type Notifier struct {
	Setup
	meter   meter
	fired   []bool // of When
	courier *courier
	status  run.Status
	now     func() time.Time

	reached bool
	last    *float64 // value of Until's metric
}

// New makes a notifier. Close frees what it holds.
func New(s Setup) *Notifier {
	n := &Notifier{
		Setup: s, fired: make([]bool, len(s.When)), status: run.Running, now: time.Now,
		courier: newCourier(s.Targets, len(s.When), defaultLimits), // each condition fires once: no queue is ever full
	}
	n.meter.memory = n.compares("memory")
	return n
}

// compares tells whether a condition is about one of these metrics.
func (n *Notifier) compares(metrics ...string) bool {
	about := func(c condition.Condition) bool { return slices.Contains(metrics, c.Metric) }
	return slices.ContainsFunc(n.When, about) || n.Until != nil && about(*n.Until)
}

// End is how a run stands that ended without an error: Finished, or as Until says.
func (n *Notifier) End() run.Status {
	switch {
	case n.Until == nil:
		return run.Finished
	case n.reached:
		return run.Reached
	}
	return run.Missed
}

// Last is the latest value of Until's metric; nil where there was none.
func (n *Notifier) Last() *float64 { return n.last }

// Observe tells what e means. It returns train.ErrStop where the condition of
// Until is met, else what those who are told return.
func (n *Notifier) Observe(ctx context.Context, e train.Event) error {
	if err := n.tellUndelivered(ctx); err != nil {
		return err
	}
	switch e := e.(type) {
	case train.Started:
		return n.started(ctx, e)
	case train.NonFinite:
		return n.word(ctx, condition.NaN, place{e.Epoch, e.Step}, true, "the "+e.What+" is not finite, first in "+e.Layer+",")
	case train.Epoch:
		if !finite(e.ValidLoss) || e.AverageOn && !finite(e.ValidEMA) {
			return n.word(ctx, condition.NaN, place{e.Epoch, e.Step}, true, "the validation loss is not finite")
		}
	}
	at, readings := n.meter.read(e)
	for _, r := range readings {
		if err := n.compare(ctx, r, at); err != nil {
			return err
		}
	}
	return n.heed(ctx, readings, at)
}

// started takes up an attempt. What a resumed run's record says may meet Until
// already.
func (n *Notifier) started(ctx context.Context, e train.Started) error {
	if !e.Resumed || n.Until == nil && !n.compares("loss") {
		n.meter.started(e, nil)
		return nil
	}
	record, err := run.ReadRecord(n.Folder)
	if err != nil {
		return err
	}
	n.meter.started(e, record)
	return n.heed(ctx, latest(record), n.meter.at(e.Step))
}

// compare tells of the comparisons that a reading meets.
func (n *Notifier) compare(ctx context.Context, r reading, at place) error {
	for i, c := range n.When {
		if c.Metric == r.metric && c.Met(r.value) {
			if err := n.fire(ctx, i, n.met(c, r.value, at)); err != nil {
				return err
			}
		}
	}
	return nil
}

// heed looks whether Until is met.
func (n *Notifier) heed(ctx context.Context, readings []reading, at place) error {
	for _, r := range readings {
		if n.Until == nil || n.reached || r.metric != n.Until.Metric {
			continue
		}
		if finite(r.value) {
			n.last = &r.value
		}
		if !n.Until.Met(r.value) {
			continue
		}
		n.reached = true
		if err := n.tell(ctx, n.met(*n.Until, r.value, at)); err != nil {
			return err
		}
		return train.ErrStop
	}
	return nil
}

// met is the alert of a comparison.
func (n *Notifier) met(c condition.Condition, value float64, at place) run.Alert {
	return run.Alert{
		Epoch: at.epoch, Step: at.step, Rule: c.String(), Value: &value,
		Message: fmt.Sprintf("%s: %s %s %s %s %s", n.Folder.Name, c.Metric, short(c, value), c.Op, strconv.FormatFloat(c.Number, 'g', -1, 64), at),
	}
}

// short writes a value with as many digits as show that it meets c.
func short(c condition.Condition, value float64) string {
	for digits := 4; digits < 17; digits++ {
		text := strconv.FormatFloat(value, 'g', digits, 64)
		if rounded, err := strconv.ParseFloat(text, 64); err == nil && c.Met(rounded) == c.Met(value) {
			return text
		}
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}

func (p place) String() string {
	if p.step == 0 {
		return "before the first step"
	}
	return fmt.Sprintf("at step %d (epoch %d)", p.step, p.epoch)
}

// Ended tells how the attempt ended after so many steps; cause is nil where that
// was no error. Nothing but Close may follow.
func (n *Notifier) Ended(ctx context.Context, status run.Status, step int, cause error) error {
	n.status = status
	word, bad := condition.Finished, false
	switch status {
	case run.Interrupted:
		word, cause = condition.Interrupted, nil
	case run.Diverged, run.Failed, run.Crashed:
		word, bad = condition.Crashed, true
	}
	what := string(status)
	if status == run.Reached || status == run.Missed {
		what = fmt.Sprintf("%s %s", status, n.Until)
	}
	at := n.meter.at(step)
	i := n.index(word)
	if i < 0 {
		return nil
	}
	a := run.Alert{Epoch: at.epoch, Step: at.step, Rule: word, Bad: bad, Message: fmt.Sprintf("%s: %s %s", n.Folder.Name, what, at)}
	if cause != nil {
		a.Message += ": " + strings.Join(strings.Fields(cause.Error()), " ")
	}
	return n.fire(ctx, i, a)
}

// word tells of what is no comparison.
func (n *Notifier) word(ctx context.Context, word string, at place, bad bool, what string) error {
	i := n.index(word)
	if i < 0 {
		return nil
	}
	return n.fire(ctx, i, run.Alert{Epoch: at.epoch, Step: at.step, Rule: word, Bad: bad, Message: fmt.Sprintf("%s: %s %s", n.Folder.Name, what, at)})
}

// index is where When has a word, or -1.
func (n *Notifier) index(word string) int {
	return slices.IndexFunc(n.When, func(c condition.Condition) bool { return c.Word == word })
}

// fire tells and delivers the alert of the ith condition, once.
func (n *Notifier) fire(ctx context.Context, i int, a run.Alert) error {
	if n.fired[i] {
		return nil
	}
	n.fired[i] = true
	n.courier.send(Message{Run: n.Folder.Name, Dir: n.Folder.Dir, Alert: a, Status: n.status, Time: n.now()})
	return n.tell(ctx, a)
}

// Close waits for what is under way, at most for a while, gives up the rest and
// tells what did not arrive. It may be called once.
func (n *Notifier) Close(ctx context.Context) error {
	n.courier.finish()
	return n.tellUndelivered(ctx)
}

// tellUndelivered tells what did not arrive since it was asked last.
func (n *Notifier) tellUndelivered(ctx context.Context) error {
	for _, u := range n.courier.undelivered() {
		if err := n.tell(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

func (n *Notifier) tell(ctx context.Context, e train.Event) error {
	for _, o := range n.Told {
		if err := o.Observe(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
