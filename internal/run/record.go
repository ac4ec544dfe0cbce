package run

import "diffuse/internal/eval"

// The lines of log.jsonl. Losses are mean squared errors an element, a classifier's
// cross-entropies an image; a number
// that was not finite is null. Steps and epochs count from 1.

// StartLine begins the record, and each resumption.
type StartLine struct {
	Event         string  `json:"event"` // "start"
	Time          string  `json:"time"`  // RFC 3339, UTC
	Step          int     `json:"step"`  // steps done before: later lines of these steps replace earlier ones
	Total         int     `json:"total"`
	StepsPerEpoch int     `json:"steps_per_epoch"`
	Parameters    int     `json:"parameters"`
	TrainImages   int     `json:"train_images"`
	ValidImages   int     `json:"valid_images"`
	Workers       int     `json:"workers"`
	Machine       Machine `json:"machine"`
}

// Machine is the code and the machine that compute a run.
type Machine struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	Kernels  string `json:"kernels"`
}

// StepLine is one optimizer step.
type StepLine struct {
	Event    string  `json:"event"` // "step"
	Step     int     `json:"step"`
	Epoch    int     `json:"epoch"`
	Loss     float64 `json:"loss"`
	LR       float64 `json:"lr"`
	GradNorm float64 `json:"grad_norm"` // before clipping
	ImgPerS  float64 `json:"img_per_s"`
}

// NonFiniteLine is a step without update.
type NonFiniteLine struct {
	Event string `json:"event"` // "non_finite"
	Step  int    `json:"step"`
	Epoch int    `json:"epoch"`
	What  string `json:"what"`  // "loss" or "gradient"
	Layer string `json:"layer"` // the first that was not finite
	InRow int    `json:"in_row"`
	Count int    `json:"count"`
}

// EpochLine is the end of an epoch, or of the run within one.
type EpochLine struct {
	Event     string   `json:"event"` // "epoch"
	Time      string   `json:"time"`
	Epoch     int      `json:"epoch"`
	Step      int      `json:"step"`
	TrainLoss *float64 `json:"train_loss"`
	ValidLoss *float64 `json:"valid_loss"`
	ValidEMA  *float64 `json:"valid_loss_ema,omitempty"` // of the moving average of the weights
	Best      bool     `json:"best"`
	Seconds   float64  `json:"seconds"`
	Accuracy  *float64 `json:"accuracy,omitempty"`  // of a classifier on the validation images
	Confusion [][]int  `json:"confusion,omitempty"` // and what it said: a row for each label
}

// SavedLine is a checkpoint on disk.
type SavedLine struct {
	Event string `json:"event"` // "checkpoint"
	Step  int    `json:"step"`
	Best  bool   `json:"best"`
}

// GridLine is a sample grid on disk.
type GridLine struct {
	Event string `json:"event"` // "grid"
	Epoch int    `json:"epoch"`
	Step  int    `json:"step"`
	Path  string `json:"path"` // in the run's folder
}

// GridFailedLine is a sample grid that could not be drawn.
type GridFailedLine struct {
	Event string `json:"event"` // "grid_failed"
	Epoch int    `json:"epoch"`
	Step  int    `json:"step"`
	Error string `json:"error"`
}

// ScoreLine is a score of drawn images, with all its terms.
type ScoreLine struct {
	Event   string  `json:"event"` // "score"
	Epoch   int     `json:"epoch"`
	Step    int     `json:"step"`
	Weights string  `json:"weights"` // "raw" or "ema"
	Seconds float64 `json:"seconds"`
	eval.Score
}
