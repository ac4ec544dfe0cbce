// Package team shares jobs out among goroutines that stay: a computation that
// is cut into jobs thousands of times starts its goroutines once.
package team

import (
	"sync"
	"sync/atomic"
)

// Jobs are pieces of work that may be done at the same time.
type Jobs interface {
	// Do does one job; worker numbers the goroutine it is done on, from 0.
	Do(worker, job int) error
}

// Team is a goroutine that has work to share out, worker 0, and others that
// wait for it. One Run at a time; a nil Team is worker 0 alone.
type Team struct {
	begin []chan struct{} // what wakes each other worker
	ended sync.WaitGroup  // for good

	jobs Jobs // of the present Run
	n    int
	next atomic.Int64   // the next job
	errs []error        // each worker's
	busy sync.WaitGroup // the others
}

// New is a team of so many workers, at least one. Close ends it.
func New(workers int) *Team {
	workers = max(1, workers)
	t := &Team{errs: make([]error, workers)}
	for w := 1; w < workers; w++ {
		begin := make(chan struct{}, 1)
		t.begin = append(t.begin, begin)
		t.ended.Go(func() {
			for range begin {
				t.work(w)
				t.busy.Done()
			}
		})
	}
	return t
}

// Close ends the goroutines; worker 0 is alone from then on.
func (t *Team) Close() {
	for _, b := range t.begin {
		close(b)
	}
	t.begin = nil
	t.ended.Wait()
}

// Workers is how many workers there are.
func (t *Team) Workers() int {
	if t == nil {
		return 1
	}
	return 1 + len(t.begin)
}

// Run hands jobs 0…n−1 to the workers, in order, each to whichever is free.
// Nobody begins another job after the first error; the error of the lowest
// worker is returned, after all have ended. It takes nothing from the heap, but
// for a nil Team.
func (t *Team) Run(n int, jobs Jobs) error {
	if t == nil {
		t = New(1)
	}
	t.jobs, t.n = jobs, n
	t.next.Store(0)
	others := t.begin[:min(max(n-1, 0), len(t.begin))]
	t.busy.Add(len(others))
	for _, b := range others {
		b <- struct{}{}
	}
	t.work(0)
	t.busy.Wait()
	t.jobs = nil
	for _, err := range t.errs[:1+len(others)] {
		if err != nil {
			return err
		}
	}
	return nil
}

// work does jobs until there is none left or one fails.
func (t *Team) work(worker int) {
	t.errs[worker] = nil
	for {
		job := int(t.next.Add(1)) - 1
		if job >= t.n {
			return
		}
		if err := t.jobs.Do(worker, job); err != nil {
			t.errs[worker] = err
			t.next.Store(int64(t.n)) // nobody begins another
			return
		}
	}
}
