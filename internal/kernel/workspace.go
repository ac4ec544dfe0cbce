package kernel

import (
	"math"
	"unsafe"
)

// Workspace is one goroutine's scratch memory: a stack of slices that grows on
// demand and is reused, so that a warmed-up call allocates nothing. The zero
// value is ready to use. It is not safe for concurrent use.
type Workspace struct {
	floats arena[float32]
	ints   arena[int32]

	// Arguments of micro-kernels. They are called through variables, so that
	// arguments on a goroutine's stack would escape to the heap at each call.
	multiplyArgs  multiplyArgs
	correlateArgs correlateArgs
	panelArgs     panelArgs
	tileArgs      tileArgs
	gradientArgs  gradientArgs
	pairHeadArgs  pairHeadArgs

	amxProductArgs   amxProductArgs
	amxGradientArgs  amxGradientArgs
	amxAttentionArgs amxAttentionArgs
	dotArgs          dotArgs
	frameArgs        frameArgs
	tables           tables
}

// NewWorkspace returns an empty Workspace.
func NewWorkspace() *Workspace { return &Workspace{} }

// NewPoisonedWorkspace returns a Workspace whose scratch is full of NaNs and
// absurd offsets each time it is handed out: a kernel that reads what it did
// not write shows at once. For tests.
func NewPoisonedWorkspace() *Workspace {
	poison, offset := float32(math.NaN()), int32(math.MinInt32)
	return &Workspace{floats: arena[float32]{poison: &poison}, ints: arena[int32]{poison: &offset}}
}

// mark is a height of the stacks, to be given to release.
type mark struct{ floats, ints position }

// mark notes the present height.
func (ws *Workspace) mark() mark { return mark{ws.floats.at, ws.ints.at} }

// release frees everything taken since m was noted.
func (ws *Workspace) release(m mark) { ws.floats.at, ws.ints.at = m.floats, m.ints }

// float32s takes n floats, aligned to 64 bytes, with arbitrary content.
func (ws *Workspace) float32s(n int) []float32 { return ws.floats.take(n) }

// int32s takes n integers, aligned to 64 bytes, with arbitrary content.
func (ws *Workspace) int32s(n int) []int32 { return ws.ints.take(n) }

// lineElems is a cache line's worth of 4-byte elements.
const lineElems = 16

// arena is a stack of slices cut from blocks that never move.
type arena[T float32 | int32] struct {
	blocks [][]T
	at     position
	poison *T
}

// position is how far an arena is used: all blocks before block, and used
// elements of that one.
type position struct{ block, used int }

// take cuts n elements off the first block with room, or off a new one at
// least as large as all before it.
func (a *arena[T]) take(n int) []T {
	room := (n + lineElems - 1) / lineElems * lineElems
	for a.at.block < len(a.blocks) && a.at.used+room > len(a.blocks[a.at.block]) {
		a.at = position{block: a.at.block + 1}
	}
	if a.at.block == len(a.blocks) {
		a.blocks = append(a.blocks, aligned[T](max(room, a.size(), 1<<14)))
	}
	taken := a.blocks[a.at.block][a.at.used:][:n:n]
	a.at.used += room
	if a.poison != nil {
		for i := range taken {
			taken[i] = *a.poison
		}
	}
	return taken
}

// size is the number of elements of all blocks.
func (a *arena[T]) size() int {
	n := 0
	for _, b := range a.blocks {
		n += len(b)
	}
	return n
}

// aligned allocates n elements that start at a multiple of 64 bytes.
func aligned[T float32 | int32](n int) []T {
	s := make([]T, n+lineElems)
	skip := 0
	for uintptr(unsafe.Pointer(&s[skip]))%64 != 0 {
		skip++
	}
	return s[skip:][:n:n]
}
