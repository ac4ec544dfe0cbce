// Package machine says what a process runs on and how much of it it has used.
package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// CPU is the processor's name, or the architecture where it has none.
func CPU() string {
	if cpuid.CPU.BrandName != "" {
		return cpuid.CPU.BrandName
	}
	return runtime.GOARCH
}

// Features are the processor's instruction sets, as cpuid names them.
func Features() []string { return cpuid.CPU.FeatureSet() }

// GPUs are the NVIDIA GPUs that Linux' driver shows, by their names.
func GPUs() []string {
	files, _ := filepath.Glob("/proc/driver/nvidia/gpus/*/information") // a pattern that is well formed
	var names []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "Model:"); ok {
				names = append(names, strings.TrimSpace(name))
			}
		}
	}
	return names
}

// Bytes is a size for people: 812 B, 1.4 GB (in powers of 1,000).
func Bytes(n int64) string {
	size, units := float64(n), []string{"B", "kB", "MB", "GB", "TB"}
	for size >= 1000 && len(units) > 1 {
		size, units = size/1000, units[1:]
	}
	if size < 10 && units[0] != "B" {
		return fmt.Sprintf("%.1f %s", size, units[0])
	}
	return fmt.Sprintf("%.0f %s", size, units[0])
}
