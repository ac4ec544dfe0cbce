package cli

import (
	"fmt"
	"io"
	"sync"
	"text/tabwriter"

	"diffuse/internal/kernel"
	"diffuse/internal/profile"
)

// BenchProfile says where the time of the counted runs went.
type BenchProfile struct {
	WallS     float64      `json:"wall_s"` // of the counted runs
	Workers   int          `json:"workers"`
	PeakFlops float64      `json:"peak_flops"` // flop/s of one core that only multiplies and adds
	Bandwidth float64      `json:"bandwidth"`  // byte/s of one core while all stream from memory
	Classes   []BenchClass `json:"classes"`    // their seconds and the idle ones add up to workers times wall_s
	IdleS     float64      `json:"idle_s"`     // of workers, and what is not in a class
	FloorS    float64      `json:"floor_s"`    // all classes at their floor
}

// BenchClass is the time of one class of work, over all workers.
type BenchClass struct {
	Name      string  `json:"name"`
	Calls     int     `json:"calls"`
	Seconds   float64 `json:"s"`
	Share     float64 `json:"share"` // of workers times wall_s
	Flops     float64 `json:"flop_per_s"`
	Bytes     float64 `json:"byte_per_s"`
	FloorS    float64 `json:"floor_s"`    // operations over peak or bytes over bandwidth, whichever is larger
	OverFloor float64 `json:"over_floor"` // times the floor; 0 where there is none
}

// profileOf joins what was noted with this machine's peak.
func (o *BenchOptions) profileOf(kernels *kernel.Set, seconds []float64) *BenchProfile {
	p := &BenchProfile{Workers: o.Global.Workers, PeakFlops: kernels.Peak(), Bandwidth: bandwidth(kernels, o.Global.Workers)}
	for _, s := range seconds {
		p.WallS += s
	}
	p.IdleS = p.WallS * float64(p.Workers)
	total := p.IdleS
	for _, c := range o.notes.Classes() {
		b := p.class(c)
		b.Share = c.Seconds / total
		p.Classes = append(p.Classes, b)
		p.IdleS -= c.Seconds
		p.FloorS += b.FloorS
	}
	return p
}

func (p *BenchProfile) class(c profile.Class) BenchClass {
	b := BenchClass{Name: c.Name, Calls: c.Calls, Seconds: c.Seconds, Flops: c.Flops / c.Seconds, Bytes: c.Bytes / c.Seconds}
	b.FloorS = max(c.Flops/p.PeakFlops, c.Bytes/p.Bandwidth)
	if b.FloorS > 0 {
		b.OverFloor = c.Seconds / b.FloorS
	}
	return b
}

// bandwidth is what each of so many cores gets from memory when all ask for it.
func bandwidth(kernels *kernel.Set, workers int) float64 {
	const beyondCaches = 16 << 20 // values; three slices of 64 MB
	var lowest float64
	var mu sync.Mutex
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			b := kernels.Bandwidth(beyondCaches)
			mu.Lock()
			defer mu.Unlock()
			if lowest == 0 || b < lowest {
				lowest = b
			}
		})
	}
	group.Wait()
	return lowest
}

// print writes a table, the most expensive class first.
func (p *BenchProfile) print(out io.Writer) error {
	total := p.WallS * float64(p.Workers)
	fmt.Fprintf(out, "\npeak of a core %.0f GFLOP/s, %.1f GB/s from memory; %d workers for %.2f s\n", p.PeakFlops/1e9, p.Bandwidth/1e9, p.Workers, p.WallS)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "share\tseconds\tGFLOP/s\tGB/s\tx floor\t")
	for _, c := range p.Classes {
		fmt.Fprintf(w, "%.1f %%\t%.3f\t%s\t%s\t%s\t  %s\n", 100*c.Share, c.Seconds,
			orDash(c.Flops/1e9, "%.0f"), orDash(c.Bytes/1e9, "%.1f"), orDash(c.OverFloor, "%.1f"), c.Name)
	}
	fmt.Fprintf(w, "%.1f %%\t%.3f\t\t\t\t  idle, and between ops\n", 100*p.IdleS/total, p.IdleS)
	fmt.Fprintf(w, "100.0 %%\t%.3f\t\t\t%.1f\t  all\n", total, total/p.FloorS)
	return w.Flush()
}

// orDash is x as format has it, or a dash for 0.
func orDash(x float64, format string) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf(format, x)
}
