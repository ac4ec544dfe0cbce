package run

import "diffuse/internal/eval"

// Format is the version of log.jsonl that this code writes. It reads older ones;
// a run of a newer one is refused by name (ErrNewer).
const Format = 2

// The lines of log.jsonl. Losses are mean squared errors an element, a
// classifier's cross-entropies an image; a number that was not finite is null.
// Steps and epochs count from 1. What format 1 did not write is left out.

// StartLine begins the record, and each resumption.
type StartLine struct {
	Event         string `json:"event"` // "start"
	Time          string `json:"time"`  // RFC 3339, UTC
	Format        int    `json:"format,omitempty"`
	Step          int    `json:"step"` // steps done before: later lines of these steps replace earlier ones
	Total         int    `json:"total"`
	StepsPerEpoch int    `json:"steps_per_epoch"`
	Parameters    int    `json:"parameters"`
	TrainImages   int    `json:"train_images"`
	ValidImages   int    `json:"valid_images"`
	Workers       int    `json:"workers"`
	Origin
}

// Origin is what a run comes from, besides its config.
type Origin struct {
	Machine Machine  `json:"machine"`
	Source  *Source  `json:"source,omitempty"` // nil outside of a git checkout
	Data    *Data    `json:"data,omitempty"`
	From    *Weights `json:"from,omitempty"`     // nil where the run began with random weights, or went on
	Command []string `json:"command,omitempty"`  // as it was typed
	RerunOf string   `json:"rerun_of,omitempty"` // the run that this one repeats
	Sweep   string   `json:"sweep,omitempty"`    // the sweep that this one belongs to
}

// Machine is the program and the machine that compute a run.
type Machine struct {
	Version  string            `json:"version"`
	Commit   string            `json:"commit"`
	Modified bool              `json:"modified,omitempty"` // built from a tree with changes
	Go       string            `json:"go"`
	Modules  map[string]string `json:"modules,omitempty"` // version of each, by path
	Platform string            `json:"platform"`
	Host     string            `json:"host,omitempty"`
	CPU      string            `json:"cpu"`
	Features []string          `json:"features,omitempty"` // of the CPU
	Cores    int               `json:"cores"`
	Memory   int64             `json:"memory,omitempty"` // bytes; 0 is unknown
	GPUs     []string          `json:"gpus,omitempty"`
	Kernels  string            `json:"kernels"`
}

// Source is the git checkout that a run was started in.
type Source struct {
	Commit string `json:"commit"`
	Branch string `json:"branch,omitempty"`
	Dirty  bool   `json:"dirty"`           // it had changes that were not committed
	Patch  string `json:"patch,omitempty"` // the file that holds them, in the run's folder
}

// Data are the images that a run sees.
type Data struct {
	Train string `json:"train_sha256"` // of shape, pixels and labels, in hexadecimal
	Valid string `json:"valid_sha256"`
}

// Weights are those that a run begins with.
type Weights struct {
	Path   string `json:"path"` // the file, or the name of the net in the binary
	Step   int    `json:"step"` // of the run that trained them
	SHA256 string `json:"sha256"`
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
	Images   int     `json:"images,omitempty"`  // seen since the run began
	UnixMS   int64   `json:"unix_ms,omitempty"` // when the step ended
	Memory   int64   `json:"memory,omitempty"`  // resident, bytes; 0 is unknown
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
	Time  string `json:"time,omitempty"`
	Step  int    `json:"step"`
	Best  bool   `json:"best"`
}

// GridLine is a sample grid on disk.
type GridLine struct {
	Event  string   `json:"event"` // "grid"
	Time   string   `json:"time,omitempty"`
	Epoch  int      `json:"epoch"`
	Step   int      `json:"step"`
	Path   string   `json:"path"`             // in the run's folder
	Panels []string `json:"panels,omitempty"` // whose images, from left to right: "raw", "ema"
}

// FailedLine is a sample grid that could not be drawn, or a score that could not
// be made.
type FailedLine struct {
	Event string `json:"event"` // "grid_failed" or "score_failed"
	Time  string `json:"time,omitempty"`
	Epoch int    `json:"epoch"`
	Step  int    `json:"step"`
	Error string `json:"error"`
}

// ScoreLine is a score of drawn images, with all its terms.
type ScoreLine struct {
	Event      string  `json:"event"` // "score"
	Time       string  `json:"time,omitempty"`
	Epoch      int     `json:"epoch,omitempty"` // 0 after training
	Step       int     `json:"step"`
	Weights    string  `json:"weights"`              // "raw" or "ema"
	Checkpoint string  `json:"checkpoint,omitempty"` // the file scored after training; empty while it trains
	Sampler    string  `json:"sampler,omitempty"`
	NetCalls   int     `json:"net_calls,omitempty"` // for one image
	Seconds    float64 `json:"seconds"`
	Drawn      string  `json:"drawn,omitempty"` // config.Drawing, of scores after training
	eval.Score
}

// EndLine ends an attempt, unless the process was killed.
type EndLine struct {
	Event  string `json:"event"` // "end"
	Time   string `json:"time"`
	Step   int    `json:"step"`
	Reason Status `json:"reason"` // Finished, Reached, Missed, Interrupted, Diverged or Failed
	Error  string `json:"error,omitempty"`
}

// AlertLine is a condition of the config's notify or of --until that was met; one
// with an Error says of an earlier line's that it could not be delivered.
type AlertLine struct {
	Event string   `json:"event"` // "alert"
	Time  string   `json:"time"`
	Step  int      `json:"step"`
	Rule  string   `json:"rule"`            // such as "fid < 4"
	Value *float64 `json:"value,omitempty"` // nil for what is no comparison
	Error string   `json:"error,omitempty"` // why it could not be delivered
}

// TagLine adds and removes a run's tags.
type TagLine struct {
	Event  string   `json:"event"` // "tag"
	Time   string   `json:"time"`
	Add    []string `json:"add,omitempty"`
	Remove []string `json:"remove,omitempty"`
}

// NoteLine replaces a run's note.
type NoteLine struct {
	Event string `json:"event"` // "note"
	Time  string `json:"time"`
	Text  string `json:"text"`
}
