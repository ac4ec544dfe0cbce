package eval

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Scores have the same bits on one processor and on several.
func TestWorkersChangeNoBit(t *testing.T) {
	const d = 140
	x := randomGaussian(source(1), d, .3, 10).draw(source(2), 1100)
	y := randomGaussian(source(3), d, .3, 10).draw(source(4), 1300)
	all := func(procs int) map[string]any {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		mx, my := momentsOf(t, x), momentsOf(t, y)
		fid := fidOf(t, mx, my)
		interval, err := FIDInterval(x, mx, my, fid, 1)
		near, err2 := Nearest(x, y)
		subsets, err3 := kidSubsets(set{x, "samples"}, set{y, "reference"}, 5, 300, 1)
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		results := map[string]any{
			"moments": mx, "fid": fid, "interval": interval, "near": near,
			"coverage": coverage(t, x, y, ManifoldK), "radii": manifold(t, x, 3).squares,
		}
		for _, k := range []KID{kidOf(t, x, y, KIDBlocks), kidOf(t, x, y, KIDWhole), subsets} {
			results[k.Estimator] = k.values
			results[k.Estimator+" error"] = k.StdErr
		}
		return results
	}
	one := all(1)
	for _, procs := range []int{2, 5} {
		many := all(procs)
		for name, want := range one {
			if d := cmp.Diff(want, many[name]); d != "" {
				t.Errorf("%s on %d processors (-one +many):\n%.400s", name, procs, d)
			}
		}
	}
}

// The error is the lowest one's, even if a higher one comes first.
func TestEachReturnsTheFirstError(t *testing.T) {
	for range 20 {
		err := each(4, 100, func(_, i int) error {
			switch i {
			case 10:
				time.Sleep(time.Millisecond)
				return fmt.Errorf("error %d", i)
			case 11, 50:
				return fmt.Errorf("error %d", i)
			}
			return nil
		})
		if message(err) != "error 10" {
			t.Fatal(err)
		}
	}
}
