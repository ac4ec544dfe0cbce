package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// freeKeys may change when a run is resumed, and so may the sections of
// freeSections: they decide when to stop, save, draw, score and tell, and no
// weight depends on them. The run's length is another matter: see resumedConfig.
var freeKeys = []string{"train.checkpoint_every", "train.keep_every", "train.grid_every", "train.grid_images", "eval.every"}

var freeSections = []string{"sample", "notify"}

// isFree tells whether a key may change when a run is resumed.
func isFree(key string) bool {
	section, _, _ := strings.Cut(key, ".")
	return slices.Contains(freeKeys, key) || slices.Contains(freeSections, section)
}

// resumedConfig is the run's own config under the variables and flags, none of
// which may change what was computed so far.
func resumedConfig(o *TrainOptions, folder run.Folder) (*config.Resolved, error) {
	own, err := config.Load(config.LoadOptions{File: folder.ConfigPath()})
	if err != nil {
		return nil, err
	}
	r, err := o.Global.LoadConfig(folder.ConfigPath(), o.Overrides...)
	if err != nil {
		return nil, err
	}
	was, is := own.Flat(), r.Flat()
	for _, key := range slices.Sorted(maps.Keys(was)) {
		if was[key] == is[key] || isFree(key) {
			continue
		}
		change := fmt.Sprintf("%s: %s is %s in run %s and cannot become %s", r.Source[key], key, was[key], folder.Name, is[key])
		if key != "train.epochs" && key != "train.steps" {
			return nil, fault.New(fault.Usage, "start a new run for another "+key, "%s when the run is resumed: its weights were trained under it", change)
		}
		if train.LengthMatters(own.Train) {
			return nil, fault.New(fault.Usage, "start a new run, or train with train.lr_schedule=constant, which can be made longer",
				"%s when the run is resumed: the learning rates of the %s schedule depend on the run's length, so the steps done were those of another run", change, own.Train.LRSchedule)
		}
	}
	return r, nil
}
