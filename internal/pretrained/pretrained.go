// Package pretrained holds the net that draws where no run is there to, and the one
// that guides it.
package pretrained

import (
	"crypto/sha256"
	_ "embed" // the weights
	"encoding/hex"
	"fmt"

	"diffuse/internal/config"
	"diffuse/internal/train"
)

// Name is what the net is called where a run can be named.
const Name = "fashion-best"

// guide is the name of the checkpoint that configs/fashion-best.yaml guides by.
const guide = "epoch-0003"

// Both are averaged weights of configs/fashion-best.yaml, trained on by Muon and
// rounded to bfloat16 (make pretrained); the guide is of the second of four trainings,
// before the last deepened the net.
var (
	//go:embed fashion-best.safetensors
	last []byte
	//go:embed fashion-best.epoch-0003.safetensors
	early []byte
)

// checkpoints are the weights of each by its name.
var checkpoints = map[string][]byte{train.Last: last, guide: early}

// Config is the config that the net was trained under, as config.LoadOptions.File.
func Config() string { return config.Shipped(Name + ".yaml") }

// Has tells whether a checkpoint of that name is in the binary.
func Has(checkpoint string) bool { return checkpoints[checkpoint] != nil }

// Checkpoint is the net as it was then, last or another that it Has: 28×28 images of
// one channel in [-1, 1], of which it says v. Errors are of kind fault.Checkpoint.
func Checkpoint(name string) (*train.Checkpoint, error) {
	of := ""
	if name != train.Last {
		of = name + " of "
	}
	return train.EmbeddedCheckpoint(fmt.Sprintf("%sthe %s in the binary", of, Name), checkpoints[name])
}

// Hash is the SHA-256 of the weights of both, in hexadecimal.
func Hash() string {
	h := sha256.New()
	h.Write(last)
	h.Write(early)
	return hex.EncodeToString(h.Sum(nil))
}
