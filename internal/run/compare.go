package run

import (
	"maps"
	"slices"
	"strconv"
)

// Change is one thing in which two runs differ; a side that lacks it is empty.
type Change struct {
	What string `json:"what"` // a key of the config, or what is compared
	A    string `json:"a"`
	B    string `json:"b"`
}

// Changes are the entries of two tables that differ, by name.
func Changes(a, b map[string]string) []Change {
	names := maps.Clone(a)
	maps.Copy(names, b)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if a[name] != b[name] {
			changes = append(changes, Change{name, a[name], b[name]})
		}
	}
	return changes
}

// Facts is what an attempt was computed by and from, as a table to compare: the
// program, its modules, the machine, the checkout and the data.
func (s *StartLine) Facts() map[string]string {
	m := s.Machine
	facts := map[string]string{
		"program version": m.Version, "program commit": m.Commit, "program modified": strconv.FormatBool(m.Modified),
		"go": m.Go, "platform": m.Platform, "cpu": m.CPU, "kernels": m.Kernels,
	}
	for path, version := range m.Modules {
		facts["module "+path] = version
	}
	if s.Source != nil {
		facts["source commit"], facts["source dirty"] = s.Source.Commit, strconv.FormatBool(s.Source.Dirty)
	}
	if s.Data != nil {
		facts["training images"], facts["validation images"] = s.Data.Train, s.Data.Valid
	}
	if s.From != nil {
		facts["first weights"] = s.From.SHA256
	}
	return facts
}

// Comparable tells whether two scores mean the same: as many samples, scored
// against the same real images by the same extractor. Else it says what differs.
func (l *ScoreLine) Comparable(o *ScoreLine) (bool, string) {
	switch {
	case l.Samples != o.Samples:
		return false, "n differs"
	case l.Reference.Hash != o.Reference.Hash:
		return false, "the reference differs"
	case l.Extractor != o.Extractor:
		return false, "the extractor differs"
	}
	return true, ""
}

// LastScore is the latest score, nil where there is none.
func (r *Record) LastScore() *ScoreLine {
	if len(r.Scores) == 0 {
		return nil
	}
	return &r.Scores[len(r.Scores)-1]
}

// LastEpoch is the latest epoch, nil before the end of the first.
func (r *Record) LastEpoch() *EpochLine {
	if len(r.Epochs) == 0 {
		return nil
	}
	return &r.Epochs[len(r.Epochs)-1]
}

// LastStep is how many steps are done.
func (r *Record) LastStep() int {
	step := r.Start().Step
	if n := len(r.Steps); n > 0 {
		step = max(step, r.Steps[n-1].Step)
	}
	if n := len(r.Skipped); n > 0 {
		step = max(step, r.Skipped[n-1].Step)
	}
	return step
}

// Seconds is how long the run's steps took together: without validation, grids
// and the time between attempts.
func (r *Record) Seconds() float64 {
	var sum float64
	for i := range r.Steps {
		sum += r.StepSeconds(i)
	}
	return sum
}

// StepSeconds is how long the i-th of Steps took.
func (r *Record) StepSeconds(i int) float64 {
	before := 0
	if i > 0 {
		before = r.seen(r.Steps[i-1])
	}
	s := r.Steps[i]
	if s.ImgPerS <= 0 {
		return 0
	}
	return float64(r.seen(s)-before) / s.ImgPerS
}

// seen is how many images the run has seen after a step; about so many where
// format 1 did not write it.
func (r *Record) seen(s StepLine) int {
	if start := r.Start(); s.Images == 0 && start.StepsPerEpoch > 0 {
		return s.Step * start.TrainImages / start.StepsPerEpoch
	}
	return s.Images
}
