package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"diffuse/internal/config"
)

// digest stands for all of a config that the weights of a run depend on. What
// only decides when to stop, save, draw, score or tell is left out; the length of
// the run is in it where the learning rate depends on it.
func digest(c config.Config, totalSteps int) string {
	c.Name = ""
	c.Sample, c.Eval, c.Notify = config.Sample{}, config.Eval{}, config.Notify{}
	if c.Model.Kind == config.UNet {
		c.Model.Kind = "" // as it was when there was no other: older runs go on
	}
	if c.Schedule.Predict == config.Eps {
		c.Schedule.Predict = "" // likewise
	}
	t := &c.Train
	t.CheckpointEvery, t.KeepEvery, t.GridEvery, t.GridImages = 0, 0, 0, 0
	t.Epochs, t.Steps = 0, 0
	if !LengthMatters(c.Train) {
		totalSteps = 0
	}
	b, _ := json.Marshal(struct {
		Config config.Config
		Total  int
	}{c, totalSteps})
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// LengthMatters tells whether the learning rate depends on the run's length, so
// that another number of steps makes another run from its first step on.
func LengthMatters(c config.Train) bool { return c.LRSchedule != "constant" }

// Length is how many optimizer steps an epoch of so many images and the whole
// run have; the last batch of an epoch may be smaller.
func Length(c config.Train, images int) (perEpoch, total int) {
	perEpoch = (images + c.Batch - 1) / c.Batch
	if c.Steps > 0 {
		return perEpoch, c.Steps
	}
	return perEpoch, c.Epochs * perEpoch
}
