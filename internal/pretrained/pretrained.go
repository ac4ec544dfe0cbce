// Package pretrained holds the net that draws where no run is there to.
package pretrained

import (
	"crypto/sha256"
	_ "embed" // the weights
	"encoding/hex"

	"diffuse/internal/config"
	"diffuse/internal/train"
)

// Name is what the net is called where a run can be named.
const Name = "fashion-best"

// weights are the averaged weights of configs/fashion-best.yaml, rounded to
// bfloat16 (make pretrained).
//
//go:embed fashion-best.safetensors
var weights []byte

// Config is the config that the net was trained under, as config.LoadOptions.File.
func Config() string { return config.Shipped(Name + ".yaml") }

// Checkpoint is the net: 28×28 images of one channel in [-1, 1], of which it says
// v. Errors are of kind fault.Checkpoint.
func Checkpoint() (*train.Checkpoint, error) {
	return train.EmbeddedCheckpoint("the "+Name+" in the binary", weights)
}

// Hash is the SHA-256 of the weights, in hexadecimal.
func Hash() string {
	sum := sha256.Sum256(weights)
	return hex.EncodeToString(sum[:])
}
