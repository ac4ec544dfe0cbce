package cli

import (
	"os"
	"path/filepath"
	"strings"

	"diffuse/internal/fault"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// picked is a checkpoint and the run it belongs to.
type picked struct {
	Weights string // the file of weights
	Run     *run.Folder
}

// config is the run's resolved config; empty for a file that lies in no run.
func (p picked) config() string {
	if p.Run == nil {
		return ""
	}
	return p.Run.ConfigPath()
}

// pickCheckpoint finds the checkpoint that a command was given: a file, a run by
// its name or its folder, or where nothing was given the newest run of g.Runs
// that can draw. checkpoint is "last", "best" or another of the run's. Errors are
// of kind fault.Checkpoint.
func pickCheckpoint(g *Global, given, checkpoint string) (picked, error) {
	if isFile(given) {
		dir := filepath.Dir(given)
		if f, err := run.Find(g.Runs, dir); err == nil && f.Dir == dir {
			return picked{given, &f}, nil
		}
		return picked{given, nil}, nil
	}
	if strings.HasSuffix(given, ".safetensors") {
		return picked{}, fault.New(fault.Checkpoint, "diffuse sample RUN takes a run's own checkpoint", "there is no file %s", given)
	}
	find := run.Newest
	if given != "" {
		find = func(runs string) (run.Folder, error) { return run.Find(runs, given) }
	}
	f, err := find(g.Runs)
	if err != nil {
		return picked{}, err
	}
	weights := filepath.Join(f.Dir, checkpoint+".safetensors")
	if !isFile(weights) {
		return picked{}, fault.New(fault.Checkpoint, "diffuse train --resume "+shellWord(f.Name)+g.runsFlag(), "run %s has no checkpoint %s.safetensors", f.Dir, checkpoint)
	}
	return picked{weights, &f}, nil
}

// openCheckpoint is pickCheckpoint that also reads what the net was trained under.
func openCheckpoint(g *Global, given, checkpoint string) (picked, *train.Checkpoint, error) {
	p, err := pickCheckpoint(g, given, checkpoint)
	if err != nil {
		return p, nil, err
	}
	c, err := train.LoadCheckpoint(p.Weights)
	return p, c, err
}

// given is the RUN or FILE of a command that takes at most one; empty is none.
func given(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
