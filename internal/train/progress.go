package train

import (
	"encoding/json"
	"fmt"
	"strings"

	"diffuse/internal/fault"
)

// Progress is all that the next step depends on besides the weights, their
// average and Adam's moments. Random numbers need no state: they are functions
// of Seed and these counters.
type Progress struct {
	Step     int // optimizer steps done, those without update included
	Updates  int // of them, those that changed the weights
	Epoch    int // epochs ended
	Position int // steps done in the next one
	Ended    int // the step at which validation last ran

	LossSum    float64 // of the epoch so far: Σ loss·images
	LossImages int     // and the images

	Best     *float64 // lowest validation loss
	BestStep int      // and when

	BestFID     *float64 `json:",omitempty"` // lowest FID, where images are scored
	BestFIDStep int      `json:",omitempty"` // and when

	TrainLoss *float64 // the last values reported, nil before and where not finite
	ValidLoss *float64
	ValidEMA  *float64

	NonFinite      int // steps without update
	NonFiniteInRow int

	Seed      int64
	Data      string // SHA-256 of the training images
	Digest    string // of the config's arithmetic
	KernelSet string // that computed the last step
}

// epochLoss is the mean training loss of the epoch so far.
func (p *Progress) epochLoss() float64 { return p.LossSum / float64(p.LossImages) }

// known is x where JSON can hold it.
func known(x float64) *float64 {
	if !finite(x) {
		return nil
	}
	return &x
}

func (p *Progress) encode() string {
	b, _ := json.Marshal(p) // its floats are finite
	return string(b)
}

func decodeProgress(s string) (*Progress, error) {
	p := new(Progress)
	d := json.NewDecoder(strings.NewReader(s))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("progress: %w", err)
	}
	if p.Step < 0 || p.Updates < 0 || p.Updates+p.NonFinite != p.Step || p.Epoch < 0 || p.Position < 0 ||
		p.Ended < 0 || p.Ended > p.Step || p.BestStep > p.Step || p.BestFIDStep > p.Step || p.LossImages < 0 || p.NonFinite < 0 || p.NonFiniteInRow < 0 {
		return nil, fmt.Errorf("progress: its counters contradict each other: %s", s)
	}
	return p, nil
}

// fits checks that a run of this config and data wrote p.
func (p *Progress) fits(want Progress, stepsPerEpoch int) error {
	switch {
	case p.Data != want.Data:
		return fault.New(fault.Checkpoint, "give the data the run began with (--data)",
			"the checkpoint was trained on other images (sha256 %.12s…, not %.12s…)", p.Data, want.Data)
	case p.Seed != want.Seed || p.Digest != want.Digest:
		return fault.New(fault.Checkpoint, "start a new run, or restore the run's config.yaml",
			"the checkpoint was trained under another config (digest %.12s…, not %.12s…)", p.Digest, want.Digest)
	case p.Epoch*stepsPerEpoch+p.Position != p.Step || p.Position > stepsPerEpoch:
		return fault.New(fault.Checkpoint, "", "the checkpoint stands at step %d but at position %d of epoch %d with %d steps an epoch",
			p.Step, p.Position, p.Epoch, stepsPerEpoch)
	}
	return nil
}
