package kernel

import "github.com/klauspost/cpuid/v2"

// isa is an instruction set that the sources in csrc are built for.
type isa int

const (
	avx2 isa = iota
	avx512
	avx512bf16
)

// lanes is the number of floats in a vector.
func (i isa) lanes() int {
	if i == avx2 {
		return 8
	}
	return 16
}

// machineSets are the assembly Sets this processor (and its operating system,
// which must save the wide registers) can run, slowest first.
func machineSets() []*Set {
	// The tiles' rows are ROWS in csrc/gemm.c and csrc/pairs.c.
	if !cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		return nil
	}
	sets := []*Set{{name: "avx2", full: avx2.gemm(6), half: avx2.pairs(3), vec: avx2.vectors(), bf16: "emulated"}}
	if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512BW, cpuid.AVX512VL) {
		s := &Set{name: "avx512", full: avx512.gemm(8), half: avx512.pairs(8), vec: avx512.vectors(), bf16: "emulated"}
		if cpuid.CPU.Supports(cpuid.AVX512BF16) {
			s.half, s.attention, s.bf16 = avx512bf16.pairs(8), avx512bf16.pairAttention(), "VDPBF16PS"
		}
		sets = append(sets, s)
	}
	return sets
}
