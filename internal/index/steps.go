package index

import (
	"strings"

	"diffuse/internal/run"
)

// stepsAtOnce is how many rows of steps one statement inserts.
const stepsAtOnce = 64

const stepColumns = 12

// insertSteps is the statement that inserts so many rows.
func insertSteps(rows int) string {
	row := "(?" + strings.Repeat(", ?", stepColumns-1) + ")"
	return "INSERT INTO raw_step VALUES " + row + strings.Repeat(", "+row, rows-1)
}

// addStep stores a step.
func (r *reader) addStep(l run.Line) error {
	s, err := l.StepLine()
	if err != nil {
		r.state.damaged++
		return nil
	}
	r.count(s)
	r.dirty = min(r.dirty, s.Step)
	r.state.steps++
	r.steps = append(r.steps, r.id, s.Step, l.Offset, s.Epoch, s.Loss, s.LR, s.GradNorm, s.ImgPerS,
		r.state.images, r.state.seconds, orNull(s.UnixMS), orNull(s.Memory))
	if len(r.steps) < stepsAtOnce*stepColumns {
		return nil
	}
	_, err = r.insert[1].ExecContext(r.ctx, r.steps...)
	r.steps = r.steps[:0]
	return err
}

// flush writes the rows that wait for others.
func (r *reader) flush() error {
	for ; len(r.steps) > 0; r.steps = r.steps[stepColumns:] {
		if _, err := r.insert[0].ExecContext(r.ctx, r.steps[:stepColumns]...); err != nil {
			return err
		}
	}
	return nil
}

// orNull is n, or NULL for 0, which is unknown.
func orNull(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

// count brings images and seconds up to a step. Seconds are those between the
// ends of two steps of an attempt; an attempt's first step, and those of format
// 1, take as long as their images a second say.
func (r *reader) count(s run.StepLine) {
	images := s.Images
	if images == 0 {
		images = r.seen(s)
	}
	batch := images - r.state.images
	if batch <= 0 || s.Step != r.state.lastStep+1 {
		batch = r.batch()
	}
	switch {
	case s.UnixMS > 0 && r.state.lastMS > 0 && s.UnixMS >= r.state.lastMS:
		r.state.seconds += float64(s.UnixMS-r.state.lastMS) / 1000
	case s.ImgPerS > 0:
		r.state.seconds += float64(batch) / s.ImgPerS
	}
	r.state.lastStep, r.state.images, r.state.lastMS = s.Step, images, s.UnixMS
}

// seen is how many images the run has seen after a step, where its line does not
// say: the last batch of an epoch may be smaller than the others.
func (r *reader) seen(s run.StepLine) int {
	before := (s.Epoch - 1) * r.state.trainImages
	position := s.Step - (s.Epoch-1)*r.state.stepsPerEpoch
	if position == r.state.stepsPerEpoch {
		return before + r.state.trainImages
	}
	return before + position*r.batch()
}
