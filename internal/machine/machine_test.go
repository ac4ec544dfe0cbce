package machine

import (
	"runtime"
	"testing"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1400: "1.4 kB", 63_563_012: "64 MB", 1_995_000_000: "2.0 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// Touching 64 MB must show in the peak.
func TestPeakRSSGrows(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows does not tell")
	}
	before := PeakRSS()
	block := make([]byte, 64<<20+before)
	for i := range block {
		block[i] = 1
	}
	if after := PeakRSS(); after-before < 60<<20 {
		t.Errorf("peak went from %d to %d after touching %d bytes", before, after, len(block))
	}
	runtime.KeepAlive(block)
}
