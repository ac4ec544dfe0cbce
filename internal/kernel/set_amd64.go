package kernel

import "github.com/klauspost/cpuid/v2"

// isa is an instruction set that the sources in csrc are built for.
type isa int

const (
	avx2 isa = iota
	avx512
)

// lanes is the number of floats in a vector.
func (i isa) lanes() int {
	if i == avx512 {
		return 16
	}
	return 8
}

// machineSets are the assembly Sets this processor (and its operating system,
// which must save the wide registers) can run, slowest first.
func machineSets() []*Set {
	// The tiles' rows are ROWS in csrc/gemm.c.
	var sets []*Set
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		sets = append(sets, &Set{name: "avx2", gemm: avx2.gemm(6), vec: avx2.vectors()})
		if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512BW, cpuid.AVX512VL) {
			sets = append(sets, &Set{name: "avx512", gemm: avx512.gemm(8), vec: avx512.vectors()})
		}
	}
	return sets
}
