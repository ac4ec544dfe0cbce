package team

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// counted counts how often each job is done; the ones in fail return an error.
type counted struct {
	done []atomic.Int64
	busy []atomic.Bool // workers
	fail []int
}

func (c *counted) Do(worker, job int) error {
	if c.busy[worker].Swap(true) {
		return fmt.Errorf("worker %d does two jobs at once", worker)
	}
	defer c.busy[worker].Store(false)
	c.done[job].Add(1)
	runtime.Gosched() // let the others have some
	if slices.Contains(c.fail, job) {
		return fmt.Errorf("job %d", job)
	}
	return nil
}

func newCounted(workers, jobs int, fail ...int) *counted {
	return &counted{make([]atomic.Int64, jobs), make([]atomic.Bool, workers), fail}
}

// Each job is done once, whatever their number beside the workers', and Close
// leaves no goroutine: a bubble waits for all of its own.
func TestEachJobIsDoneOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 5} {
		synctest.Test(t, func(t *testing.T) {
			team := New(workers)
			defer team.Close()
			if team.Workers() != workers {
				t.Fatalf("%d workers, want %d", team.Workers(), workers)
			}
			for _, n := range []int{0, 1, workers - 1, workers, 100} {
				c := newCounted(workers, n)
				if err := team.Run(n, c); err != nil {
					t.Error(err)
				}
				for job := range c.done {
					if times := c.done[job].Load(); times != 1 {
						t.Errorf("%d workers did job %d of %d %d times", workers, job, n, times)
					}
				}
			}
		})
	}
}

// failing are jobs that all fail.
type failing struct{ begun atomic.Int64 }

func (f *failing) Do(_, job int) error {
	f.begun.Add(1)
	return fmt.Errorf("job %d", job)
}

// A worker's first error ends its work, and the team goes on to work after it.
func TestFirstErrorEndsARun(t *testing.T) {
	const workers, n = 3, 1000
	team := New(workers)
	defer team.Close()
	for range 100 {
		f := new(failing)
		if err := team.Run(n, f); err == nil {
			t.Fatal("no error though every job fails")
		}
		if begun := f.begun.Load(); begun > workers {
			t.Errorf("%d workers began %d jobs, all of which fail", workers, begun)
		}
		if err := team.Run(n, newCounted(workers, n)); err != nil {
			t.Errorf("an earlier run's error came back: %v", err)
		}
	}
}

// meeting is jobs that wait for each other and all fail.
type meeting struct{ all chan struct{} }

func (m meeting) Do(worker, job int) error {
	if job == 0 {
		m.all <- struct{}{}
	} else {
		<-m.all
	}
	return fmt.Errorf("worker %d", worker)
}

func TestErrorOfTheLowestWorker(t *testing.T) {
	team := New(2)
	defer team.Close()
	for range 20 {
		if err := team.Run(2, meeting{make(chan struct{})}); err == nil || err.Error() != "worker 0" {
			t.Fatalf("error %v, want worker 0's", err)
		}
	}
}

func TestNoTeamIsTheCallerAlone(t *testing.T) {
	var team *Team
	c := newCounted(1, 10, 4)
	if err := team.Run(10, c); err == nil || err.Error() != "job 4" || c.done[5].Load() != 0 {
		t.Errorf("error %v, want job 4's and nothing done after it", err)
	}
}

func TestCloseTwice(t *testing.T) {
	team := New(4)
	team.Close()
	team.Close()
	if err := team.Run(3, newCounted(1, 3)); err != nil || team.Workers() != 1 {
		t.Errorf("after Close: %d workers, error %v", team.Workers(), err)
	}
}

type nothing struct{}

func (nothing) Do(int, int) error { return nil }

func TestRunAllocatesNothing(t *testing.T) {
	team := New(2)
	defer team.Close()
	if n := testing.AllocsPerRun(1000, func() { _ = team.Run(8, nothing{}) }); n > 0 {
		t.Errorf("%v allocations a run", n)
	}
}
