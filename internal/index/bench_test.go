package index

import (
	"context"
	"os"
	"testing"
)

// BenchmarkIngest reads a log of 100,000 steps.
func BenchmarkIngest(b *testing.B) {
	const n = 100_000
	runs := b.TempDir()
	longRun(b, runs, "a", n)
	x := open(b, runs)
	for b.Loop() {
		if _, err := x.Reindex(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "steps/s")
}

// BenchmarkRefresh catches up with one new step of a log of 100,000.
func BenchmarkRefresh(b *testing.B) {
	runs := b.TempDir()
	longRun(b, runs, "a", 100_000)
	x := open(b, runs)
	refresh(b, x)
	file, err := os.OpenFile(x.Folder("a").LogPath(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for b.Loop() {
		if _, err := file.WriteString(`{"event":"step","step":100001,"epoch":1,"loss":0.5}` + "\n"); err != nil {
			b.Fatal(err)
		}
		refresh(b, x)
	}
}
