package profile

import (
	"sync"
	"testing"
	"time"
)

func TestClassesAddUp(t *testing.T) {
	p := New()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				p.Add("a", time.Now().Add(-time.Second), 3, Work{Flops: 2, Bytes: 5})
			}
			p.Add("b", time.Now(), 1, Work{})
		})
	}
	group.Wait()
	all := p.Classes()
	if len(all) != 2 || all[0].Name != "a" || all[1].Name != "b" {
		t.Fatalf("classes %+v, want a before b", all)
	}
	if a := all[0]; a.Calls != 800 || a.Flops != 4800 || a.Bytes != 12000 || a.Seconds < 800 || a.Seconds > 900 {
		t.Errorf("class %+v", a)
	}
	p.Reset()
	if all := p.Classes(); len(all) != 0 {
		t.Errorf("after a reset: %+v", all)
	}
}

func TestNoProfileTakesNoNotes(t *testing.T) {
	var p *Profile
	p.Add("a", time.Now(), 1, Work{}) // does not panic
}
