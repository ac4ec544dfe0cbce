package eval

import "testing"

// sparing is a Source that refuses to be read in large pieces, as what is larger
// than memory would.
type sparing struct {
	Source
	t *testing.T
}

func (s sparing) Read(dst []float32, lo int) error {
	if n := len(dst) / s.Dim(); n > blockRows {
		s.t.Errorf("%d rows are read at once", n)
	}
	return s.Source.Read(dst, lo)
}

// No score holds all rows of a set.
func TestSetsAreReadInBlocks(t *testing.T) {
	g := randomGaussian(source(1), 3, 1, 3)
	x, y := sparing{g.draw(source(2), 2000), t}, sparing{g.draw(source(3), 3000), t}
	mx, my := momentsOf(t, x), momentsOf(t, y)
	for _, estimator := range KIDEstimators() {
		if estimator != KIDSubsets { // 10^8 pairs, read as blocks are
			kidOf(t, x, y, estimator)
		}
	}
	coverage(t, x, y, ManifoldK)
	if _, err := Nearest(x, y); err != nil {
		t.Error(err)
	}
	if _, err := CopyThreshold(y, 1); err != nil {
		t.Error(err)
	}
	if _, err := FIDInterval(x, mx, my, fidOf(t, mx, my), 1); err != nil {
		t.Error(err)
	}
}
