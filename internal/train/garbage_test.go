package train

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"diffuse/internal/kernel"
)

// A step takes nothing from the heap once the first have grown what they use.
// What is left is the Go runtime's: a goroutine that waits is noted in 112
// bytes, which are used again, but now and then on another core that has none.
func TestStepsMakeNoGarbage(t *testing.T) {
	const warmUp, steps = 10, 100
	for _, precision := range []kernel.Precision{kernel.FP32, kernel.BF16} {
		for _, workers := range []int{1, 2} {
			for _, ema := range []float64{0, .99} {
				t.Run(fmt.Sprintf("%s/%d workers/average %v", precision, workers, ema), func(t *testing.T) {
					tr := smallTrainer(t, kernel.Best().In(precision), workers, ema)
					took(t, tr, warmUp)
					allocations, bytes := took(t, tr, steps)
					t.Logf("%d allocations, %d bytes in %d steps", allocations, bytes, steps)
					if allocations > steps/2 {
						t.Errorf("%d allocations with %d bytes in %d steps", allocations, bytes, steps)
					}
				})
			}
		}
	}
}

// took is what so many steps take from the heap.
func took(t *testing.T, tr *Trainer, steps int) (allocations, bytes uint64) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range steps {
		tr.Position = 0 // the epoch never ends
		if err := tr.OneStep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
}

// The goroutines of a trainer end with it: a bubble waits for all of its own.
func TestTrainerLeavesNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := toySetup(t, toyConfig(), "")
		s.Workers = 8
		tr, err := New(s)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if err := tr.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
