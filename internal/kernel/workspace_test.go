package kernel

import (
	"math"
	"testing"
	"unsafe"
)

func TestWorkspaceSlicesAreAlignedAndApart(t *testing.T) {
	ws := NewWorkspace()
	var taken [][]float32
	for i := range 100 {
		s := ws.float32s(1 + i*i*7%5000)
		if uintptr(unsafe.Pointer(&s[0]))%64 != 0 {
			t.Fatalf("slice %d starts at %p", i, &s[0])
		}
		for j := range s {
			s[j] = float32(i)
		}
		taken = append(taken, s)
	}
	for i, s := range taken {
		for j, v := range s {
			if v != float32(i) {
				t.Fatalf("slice %d overlaps another: element %d is %v", i, j, v)
			}
		}
	}
}

func TestWorkspaceIsReusedAfterRelease(t *testing.T) {
	ws := NewWorkspace()
	ws.float32s(10)
	use := func() {
		m := ws.mark()
		defer ws.release(m)
		ws.float32s(100_000)
		ws.float32s(300_000)
		ws.int32s(5000)
	}
	use()
	if n := testing.AllocsPerRun(10, use); n != 0 {
		t.Errorf("%v allocations a run once warm", n)
	}
}

func TestPoisonedWorkspace(t *testing.T) {
	ws := NewPoisonedWorkspace()
	for range 3 {
		m := ws.mark()
		s, o := ws.float32s(33), ws.int32s(5)
		for _, v := range s {
			if !math.IsNaN(float64(v)) {
				t.Fatal("scratch is not poisoned")
			}
		}
		clear(s)
		if o[4] != math.MinInt32 {
			t.Fatal("offsets are not poisoned")
		}
		clear(o)
		ws.release(m)
	}
}
