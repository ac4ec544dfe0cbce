package kernel

import "github.com/klauspost/cpuid/v2"

// machineSets are the assembly Sets this processor (and its operating system,
// which must save the wide registers) can run, slowest first.
func machineSets() []*Set {
	var sets []*Set
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		sets = append(sets, &Set{name: "avx2", gemm: &avx2Gemm, vec: &avx2Vectors})
	}
	return sets
}
