//go:build unix

package eval

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// What a score of 2,048 samples takes once their features are there, against
// ready moments and rows of 10,000 images.
func BenchmarkSamples(b *testing.B) {
	for _, d := range []int{512, 2048} {
		x, y := noise(1, 2048, d), noise(2, 10000, d)
		reference := momentsOf(b, y)
		score := func() (Moments, float64, error) {
			m, err := MomentsOf(x)
			if err != nil {
				return m, 0, err
			}
			fid, err := FID(m, reference)
			_, err2 := MeasureKID(x, y, KIDBlocks, 1)
			return m, fid, errors.Join(err, err2)
		}
		timed(b, fmt.Sprint("FID and KID ", d), func() error {
			_, _, err := score()
			return err
		})
		timed(b, fmt.Sprint("with interval ", d), func() error {
			m, fid, err := score()
			_, err2 := FIDInterval(x, m, reference, fid, 1)
			return errors.Join(err, err2)
		})
		actual := window{y, 0, 2048}
		timed(b, fmt.Sprint("precision and recall ", d), func() error {
			mx, err := NewManifold(x, ManifoldK)
			my, err2 := NewManifold(actual, ManifoldK)
			if err := errors.Join(err, err2); err != nil {
				return err
			}
			_, err = MeasureCoverage(mx, my)
			return err
		})
	}
}

// The pieces, of 2,048 samples and 10,000 images.
func BenchmarkPieces(b *testing.B) {
	for _, d := range []int{512, 2048} {
		x, y := noise(1, 2048, d), noise(2, 10000, d)
		mx, my := momentsOf(b, x), momentsOf(b, y)
		for _, c := range []struct {
			name string
			run  func() error
		}{
			{"moments", func() error { _, err := MomentsOf(x); return err }},
			{"FID", func() error { _, err := FID(mx, my); return err }},
			{"interval", func() error { _, err := FIDInterval(x, mx, my, 1, 1); return err }},
			{"KID blocks", func() error { _, err := MeasureKID(x, y, KIDBlocks, 1); return err }},
			{"KID whole", func() error { _, err := MeasureKID(x, y, KIDWhole, 1); return err }},
			{"KID subsets", func() error { _, err := MeasureKID(x, y, KIDSubsets, 1); return err }},
			{"manifold", func() error { _, err := NewManifold(y, ManifoldK); return err }},
		} {
			timed(b, fmt.Sprint(c.name, " ", d), c.run)
		}
	}
}

// Near-copies of 60,000 images.
func BenchmarkCopies(b *testing.B) {
	x, y := noise(1, 2048, 512), noise(2, 60000, 512)
	timed(b, "nearest", func() error { _, err := Nearest(x, y); return err })
	timed(b, "threshold", func() error { _, err := CopyThreshold(y, 1); return err })
}

// timed is b.Run with the processor time as well.
func timed(b *testing.B, name string, f func() error) {
	b.Run(name, func(b *testing.B) {
		start := processor(b)
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(processor(b)-start)/1e6/float64(b.N), "cpu-ms/op")
	})
}

// processor is the time that all cores have spent on this process, in ns.
func processor(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// noise is n rows of d independent features, no two of one scale.
func noise(seed uint64, n, d int) Source {
	r := source(seed)
	data := make([]float32, n*d)
	for i := range data {
		data[i] = float32(r.NormFloat64() / float64(1+i%d%50))
	}
	return rows{data, d}
}
