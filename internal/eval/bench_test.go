package eval

import (
	"fmt"
	"testing"
)

// The sizes of the lesson's score: 2,048 samples against 10,000 test images, 512
// features; and Inception's 2,048 features.
func BenchmarkScore(b *testing.B) {
	const d = 512
	x, y := noise(1, 2048, d), noise(2, 10000, d)
	mx, my := momentsOf(b, x), momentsOf(b, y)
	fid := fidOf(b, mx, my)

	for _, c := range []struct {
		name string
		run  func() error
	}{
		{"moments", func() error { _, err := MomentsOf(y); return err }},
		{"FID", func() error { _, err := FID(mx, my); return err }},
		{"interval", func() error { _, err := FIDInterval(x, mx, my, fid, 1); return err }},
		{"KID blocks", func() error { _, err := MeasureKID(x, y, KIDBlocks, 1); return err }},
		{"KID whole", func() error { _, err := MeasureKID(x, y, KIDWhole, 1); return err }},
		{"KID subsets", func() error { _, err := MeasureKID(x, y, KIDSubsets, 1); return err }},
		{"manifold", func() error { _, err := NewManifold(y, ManifoldK); return err }},
		{"nearest", func() error { _, err := Nearest(x, y); return err }},
		{"copy threshold", func() error { _, err := CopyThreshold(y, 1); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDim(b *testing.B) {
	for _, d := range []int{512, 2048} {
		x, y := noise(1, 4096, d), noise(2, 5000, d)
		mx, my := momentsOf(b, x), momentsOf(b, y)
		b.Run(fmt.Sprint("moments ", d), func(b *testing.B) {
			for b.Loop() {
				momentsOf(b, y)
			}
		})
		b.Run(fmt.Sprint("FID ", d), func(b *testing.B) {
			for b.Loop() {
				fidOf(b, mx, my)
			}
		})
		b.Run(fmt.Sprint("interval ", d), func(b *testing.B) {
			for b.Loop() {
				if _, err := FIDInterval(x, mx, my, 1, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
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
