package eval

import (
	"runtime"
	"sync"
)

// workers is how many goroutines share work.
func workers() int { return runtime.GOMAXPROCS(0) }

// each calls f for i = 0…n-1 on some goroutines, numbered by worker, and returns
// the error of the lowest i that failed, whatever the number of workers: numbers
// are handed out in order, so every lower one has been tried.
func each(workers, n int, f func(worker, i int) error) error {
	workers = min(workers, n)
	if workers == 1 {
		for i := range n {
			if err := f(0, i); err != nil {
				return err
			}
		}
		return nil
	}
	var (
		mu     sync.Mutex
		next   int
		failed = n
		first  error
		wg     sync.WaitGroup
	)
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if first != nil {
			return n
		}
		next++
		return next - 1
	}
	for w := range workers {
		wg.Go(func() {
			for i := take(); i < n; i = take() {
				if err := f(w, i); err != nil {
					mu.Lock()
					if i < failed {
						failed, first = i, err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}
