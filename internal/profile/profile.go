// Package profile adds up where a computation's time goes, by class of work.
package profile

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Work is what a computation needs at least: products and sums, and bytes of
// memory read and written.
type Work struct{ Flops, Bytes float64 }

// Class is the time and the work of one class of computations, over all
// goroutines.
type Class struct {
	Name    string
	Calls   int
	Seconds float64 // of goroutines, not of the clock on the wall
	Work
}

// Profile is a collection of classes. Goroutines may add to one at once; a nil
// Profile takes no notes.
type Profile struct {
	mu      sync.Mutex
	classes map[string]*Class
}

// New is an empty profile.
func New() *Profile { return &Profile{classes: map[string]*Class{}} }

// Add notes n pieces of work done since began.
func (p *Profile) Add(class string, began time.Time, n int, each Work) {
	if p == nil {
		return
	}
	seconds := time.Since(began).Seconds()
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.classes[class]
	if c == nil {
		c = &Class{Name: class}
		p.classes[class] = c
	}
	c.Calls++
	c.Seconds += seconds
	c.Flops += float64(n) * each.Flops
	c.Bytes += float64(n) * each.Bytes
}

// Reset forgets everything.
func (p *Profile) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.classes)
}

// Classes are what was noted, the most expensive first.
func (p *Profile) Classes() []Class {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Class
	for _, c := range p.classes {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Class) int {
		return cmp.Or(cmp.Compare(b.Seconds, a.Seconds), cmp.Compare(a.Name, b.Name))
	})
	return all
}
