package train

import (
	"sync"
	"sync/atomic"
)

// chunk is how many parameters a worker takes at a time in a pass over all of
// them. It is fixed, so that sums of chunks are the same for any worker count.
const chunk = 1 << 16

// eachChunk calls f for every chunk [lo, hi) of n elements from up to workers
// goroutines; i counts the chunks.
func eachChunk(workers, n int, f func(i, lo, hi int)) {
	chunks := (n + chunk - 1) / chunk
	_ = eachJob(min(workers, chunks), chunks, func(_, i int) error {
		f(i, i*chunk, min(n, (i+1)*chunk))
		return nil
	})
}

// eachJob hands jobs 0…n−1 to workers goroutines, in order, each to whichever
// is free. A worker stops at its first error; the error of the lowest worker
// is returned, after all have ended.
func eachJob(workers, n int, do func(worker, job int) error) error {
	var next atomic.Int64
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for {
				job := int(next.Add(1)) - 1
				if job >= n {
					return
				}
				if errs[w] = do(w, job); errs[w] != nil {
					next.Store(int64(n)) // nobody begins another
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
