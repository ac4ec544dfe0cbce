package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"diffuse/internal/run"
)

// Message is an alert on its way.
type Message struct {
	Run string
	Dir string // the run's folder
	run.Alert
	Status run.Status // how the run stands
	Time   time.Time
}

// Target is somebody or something that is told. Deliver ends when ctx does; its
// errors hold no secret.
type Target interface {
	Name() string
	Deliver(ctx context.Context, m Message) error
}

// limits bound how long a delivery may take.
type limits struct {
	deliver time.Duration // of one message, with all its tries
	end     time.Duration // of all that is left when the run ends
	killed  time.Duration // until a target that was told to end has ended
}

var defaultLimits = limits{deliver: 30 * time.Second, end: 10 * time.Second, killed: 2 * time.Second}

var errEnded = errors.New("given up, for the run ended")

// courier brings messages to targets: a goroutine and a queue for each, so that
// one that hangs holds up no other.
type courier struct {
	limits  limits
	queues  []chan *delivery
	targets []Target
	working sync.WaitGroup
	cancel  context.CancelCauseFunc

	mutex  sync.Mutex
	open   []*delivery // queued or under way
	failed []run.Undelivered
}

// delivery is a message for a target.
type delivery struct {
	target  Target
	message Message
}

// newCourier delivers up to most messages to each target.
func newCourier(targets []Target, most int, l limits) *courier {
	c := &courier{limits: l, targets: targets}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.cancel = cancel
	for range targets {
		queue := make(chan *delivery, most)
		c.queues = append(c.queues, queue)
		c.working.Go(func() {
			for d := range queue {
				c.done(d, d.deliver(ctx, l.deliver))
			}
		})
	}
	return c
}

// deliver tries for so long. What a target panics with is an error: it must not
// end the training.
func (d *delivery) deliver(ctx context.Context, within time.Duration) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("given up after %v", within))
	defer cancel()
	if err = d.target.Deliver(ctx, d.message); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// send queues a message for every target. It does not wait.
func (c *courier) send(m Message) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for i, t := range c.targets {
		d := &delivery{t, m}
		select {
		case c.queues[i] <- d:
			c.open = append(c.open, d)
		default:
			c.failed = append(c.failed, run.Undelivered{Alert: m.Alert, To: t.Name(), Err: errors.New("too many alerts are waiting")})
		}
	}
}

// done notes how a delivery ended, unless finish has given it up.
func (c *courier) done(d *delivery, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	i := slices.Index(c.open, d)
	if i < 0 {
		return
	}
	c.open = slices.Delete(c.open, i, i+1)
	if err != nil {
		c.failed = append(c.failed, run.Undelivered{Alert: d.message.Alert, To: d.target.Name(), Err: err})
	}
}

// undelivered are the messages that failed since it was asked last.
func (c *courier) undelivered() []run.Undelivered {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	failed := c.failed
	c.failed = nil
	return failed
}

// finish waits for what is under way and gives up the rest. Nothing is sent after.
func (c *courier) finish() {
	for _, q := range c.queues {
		close(q)
	}
	ended := make(chan struct{})
	go func() {
		c.working.Wait()
		close(ended)
	}()
	if !within(c.limits.end, ended) {
		c.cancel(errEnded)
		within(c.limits.killed, ended)
	}
	c.cancel(nil)
	c.mutex.Lock()
	left := slices.Clone(c.open)
	c.mutex.Unlock()
	for _, d := range left { // its target does not even end when told to
		c.done(d, errEnded)
	}
}

// within waits for done and tells whether it came in time.
func within(limit time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
