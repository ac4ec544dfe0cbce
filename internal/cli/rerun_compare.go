package cli

import (
	"fmt"
	"math"

	"diffuse/internal/kernel"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// RerunResult is what a run's repetition came to. Pairs are the old run's value
// and the new one's.
type RerunResult struct {
	Run        string       `json:"run,omitempty"` // empty where nothing was trained
	RerunOf    string       `json:"rerun_of"`
	Differs    []run.Change `json:"differs"` // from the record: a is what it was, b what it is
	Same       *bool        `json:"same,omitempty"`
	Difference *float64     `json:"largest_difference,omitempty"` // of two weights
	EqualSteps int          `json:"equal_steps"`                  // from the first on, whose losses are the same bits
	Steps      [2]int       `json:"steps"`
	TrainLoss  [2]Float     `json:"train_loss"`
	ValidLoss  [2]Float     `json:"valid_loss"`
	Verdict    string       `json:"verdict,omitempty"`
}

// compare says how the new run agrees with the old one.
func (r *RerunResult) compare(old *run.Record, folder run.Folder) error {
	again, err := run.ReadRecord(folder)
	if err != nil {
		return err
	}
	r.EqualSteps = equalSteps(old.Steps, again.Steps)
	for i, record := range []*run.Record{old, again} {
		r.Steps[i] = record.LastStep()
		if e := record.LastEpoch(); e != nil {
			r.TrainLoss[i], r.ValidLoss[i] = e.TrainLoss, e.ValidLoss
		}
	}
	losses := fmt.Sprintf("the losses of the first %s steps are the same bits", thousands(r.EqualSteps))
	if r.EqualSteps == 0 {
		losses = "not even the first step's loss is the same"
	}
	was, errOld := train.LoadCheckpoint(old.LastPath())
	is, err := train.LoadCheckpoint(folder.LastPath())
	switch {
	case err != nil:
		return err
	case errOld != nil:
		r.Verdict = fmt.Sprintf("the weights of %s cannot be read: %v; %s", old.Name, errOld, losses)
		return nil
	case was.Step != is.Step:
		r.Verdict = fmt.Sprintf("%s ended at step %s, this at %s; %s", old.Name, thousands(was.Step), thousands(is.Step), losses)
		return nil
	}
	same, difference, err := compareWeights(was, is)
	if err != nil {
		return err
	}
	r.Same, r.Difference = &same, &difference
	if same {
		r.Verdict = fmt.Sprintf("same weights bit for bit as %s, after %s steps", old.Name, thousands(is.Step))
		return nil
	}
	r.Verdict = fmt.Sprintf("other weights than %s: they differ by %.2g at most, the validation loss is %s, it was %s; %s",
		old.Name, difference, loss(r.ValidLoss[1]), loss(r.ValidLoss[0]), losses)
	return nil
}

// equalSteps is how many steps from the first on have the same loss in both.
func equalSteps(a, b []run.StepLine) int {
	for i := range min(len(a), len(b)) {
		if a[i].Step != b[i].Step || a[i].Loss != b[i].Loss {
			return i
		}
	}
	return min(len(a), len(b))
}

// compareWeights tells whether two checkpoints of one net hold the same bits, and
// the largest difference between two weights.
func compareWeights(a, b *train.Checkpoint) (same bool, difference float64, err error) {
	if err := a.Agrees(b.Contract); err != nil {
		return false, 0, err
	}
	var weights [2][]float32
	for i, c := range []*train.Checkpoint{a, b} {
		net, err := c.Load(false, kernel.Best())
		if err != nil {
			return false, 0, err
		}
		weights[i] = net.Params().Data
	}
	same = true
	for i, x := range weights[0] {
		y := weights[1][i]
		same = same && math.Float32bits(x) == math.Float32bits(y)
		difference = max(difference, math.Abs(float64(x)-float64(y)))
	}
	return same, difference, nil
}
