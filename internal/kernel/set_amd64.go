package kernel

import (
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// isa is an instruction set that the sources in csrc are built for.
type isa int

const (
	avx2 isa = iota
	avx512
	avx512bf16
	amx
)

// lanes is the number of floats in a vector.
func (i isa) lanes() int {
	if i == avx2 {
		return 8
	}
	return 16
}

// machineSets are the assembly Sets this processor (and its operating system,
// which must save the wide registers) can run, slowest first, and the names of
// the others with what is missing.
func machineSets() (sets []*Set, missing []string) {
	// The tiles' rows are ROWS in csrc/gemm.c and csrc/pairs.c.
	builds := []struct {
		make  func() *Set
		needs []cpuid.FeatureID
		asks  func() (lacks string) // what else may be missing; nil if nothing
	}{
		{func() *Set {
			return &Set{name: "avx2", full: avx2.gemm(6), half: avx2.pairs(3), vec: avx2.vectors(), linear: avx2.linear(), bf16: emulated}
		}, []cpuid.FeatureID{cpuid.AVX2, cpuid.FMA3}, nil},
		{newAVX512, []cpuid.FeatureID{cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512BW, cpuid.AVX512VL}, nil},
		{newAMX, []cpuid.FeatureID{cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512BW, cpuid.AVX512VL, cpuid.AVX512BF16, cpuid.AMXTILE, cpuid.AMXBF16}, tilesRefused},
	}
	for _, b := range builds {
		var lacks []string
		for _, f := range b.needs {
			if !cpuid.CPU.Supports(f) {
				lacks = append(lacks, f.String())
			}
		}
		if lacks == nil && b.asks != nil {
			if what := b.asks(); what != "" {
				lacks = append(lacks, what)
			}
		}
		if s := b.make(); lacks == nil {
			sets = append(sets, s)
		} else {
			missing = append(missing, s.name+": the CPU or its operating system lacks "+strings.Join(lacks, ", "))
		}
	}
	return sets, missing
}

// newAVX512 multiplies in bfloat16 by VDPBF16PS where that is twice as fast as
// float32. On Intel's processors it is half as fast as float32, and emulation
// faster (docs/engine.md).
func newAVX512() *Set {
	s := &Set{name: "avx512", full: avx512.gemm(8), half: avx512.pairs(8), vec: avx512.vectors(), linear: avx512.linear(), bf16: emulated}
	if cpuid.CPU.Supports(cpuid.AVX512BF16) && cpuid.CPU.IsVendor(cpuid.AMD) {
		s.half, s.attention, s.bf16 = avx512bf16.pairs(8), avx512bf16.pairAttention(), "by VDPBF16PS"
	}
	return s
}

// newAMX multiplies in bfloat16 by tiles; in float32 it is avx512.
func newAMX() *Set {
	return &Set{name: "amx", full: avx512.gemm(8), half: amx.amxPairs(), vec: avx512.vectors(), linear: avx512.linear(), bf16: "by TDPBF16PS"}
}
