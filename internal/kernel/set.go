// Package kernel is the arithmetic of the net on a CPU: convolutions, norms,
// attention, optimizer, on dense float32 slices in NHWC order.
//
// A Set is one implementation of all of it. "portable" is plain Go and runs
// everywhere; the others are the same drivers over assembly for one
// instruction set. A Set is chosen once and used by many goroutines, each
// with a Workspace of its own.
//
// The result for an image does not depend on its place in a batch nor on the
// batch's size: every output element is a sum in a fixed order. Two Sets agree
// within float32 rounding, not bit for bit.
//
// Slices of the wrong length are a programming error and panic.
package kernel

import (
	"fmt"
	"strings"
)

// Set is the kernels for one instruction set, in one precision.
type Set struct {
	name       string
	full, half *gemm          // micro-kernels of convolutions and linear layers, float32 and bfloat16
	vec        *vectors       // micro-kernels of everything else in the net
	linear     *linear        // micro-kernels of matrices of float64
	bf16       string         // what multiplies in bfloat16, such as an instruction's name
	attention  *pairAttention // in bfloat16; nil where float32 is as fast

	gemm  *gemm // full or half
	fp32  *Set  // of half: for what tiles do not suit
	tiles *gemm // what multiplies Winograd's tiles, in float32; nil where sums of pairs are faster
}

// Precision is what convolutions and linear layers multiply in. Everything else
// is float32, and so are all sums.
type Precision string

// The precisions.
const (
	FP32 Precision = "fp32" // IEEE 754 binary32
	BF16 Precision = "bf16" // its upper half: 8 bits of significand; operands are rounded to nearest even
)

var portable = &Set{name: "portable", full: &portableGemm, half: &portablePairs, vec: &portableVectors, linear: &portableLinear, bf16: emulated}

// emulated is how a Set without an instruction for it multiplies in bfloat16.
const emulated = "emulated in float32"

// sets are those this machine can run, slowest first.
var sets, missing = allSets()

func allSets() (all []*Set, missing []string) {
	all, missing = machineSets()
	all = append([]*Set{portable}, all...)
	for _, s := range all {
		s.gemm, s.tiles = s.full, s.full
	}
	return all, missing
}

// In is the Set in another precision. Weights packed in one are no use in the
// other.
func (s *Set) In(p Precision) *Set {
	other := *s
	other.gemm, other.tiles = s.full, s.full
	if p == BF16 {
		other.gemm, other.fp32 = s.half, s.In(FP32)
		if s.bf16 != emulated {
			other.tiles = nil
		}
	}
	return &other
}

// Precision is what the Set multiplies in.
func (s *Set) Precision() Precision {
	if s.gemm.pairs {
		return BF16
	}
	return FP32
}

// BF16 says how the Set multiplies in bfloat16, such as "by VDPBF16PS".
func (s *Set) BF16() string { return s.bf16 }

// Sets returns the Sets this machine can run, "portable" first, the fastest last.
func Sets() []*Set { return append([]*Set(nil), sets...) }

// chosen is what Choose chose, nil for the fastest.
var chosen *Set

// Choose makes Best return the Set of that name; "auto" is the fastest again.
// A process calls it at most once, before it computes.
func Choose(name string) (err error) {
	chosen = nil
	if name != "auto" {
		chosen, err = Named(name)
	}
	return err
}

// Best returns the fastest Set of this machine, or the one that was chosen.
func Best() *Set {
	if chosen != nil {
		return chosen
	}
	return sets[len(sets)-1]
}

// Why says why Best is the Set it is.
func Why() string {
	if chosen != nil {
		return "as asked for"
	}
	return fmt.Sprintf("the fastest of the %d that this machine can run", len(sets))
}

// Missing names the Sets that this machine cannot run, each with what it lacks.
func Missing() []string { return append([]string(nil), missing...) }

// Named returns the Set of that name; the error lists those this machine can
// run, or says what it lacks.
func Named(name string) (*Set, error) {
	for _, m := range missing {
		if strings.HasPrefix(m, name+": ") {
			return nil, fmt.Errorf("no kernels %s", m)
		}
	}
	names := make([]string, len(sets))
	for i, s := range sets {
		if s.name == name {
			return s, nil
		}
		names[i] = s.name
	}
	return nil, fmt.Errorf("no kernels %q on this machine: it can run %s", name, strings.Join(names, ", "))
}

// Name is the instruction set's name, such as "portable" or "avx2".
func (s *Set) Name() string { return s.name }
