package cli

import (
	"os"
	"path/filepath"
	"strings"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/pretrained"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// picked is a checkpoint and the run it belongs to.
type picked struct {
	Weights string // the file of weights; of the net in the binary, a checkpoint's name
	Run     *run.Folder
	Builtin bool // the net in the binary: neither file nor run
}

// config is the resolved config that the net was trained under; empty for a file
// that lies in no run.
func (p picked) config() string {
	switch {
	case p.Builtin:
		return pretrained.Config()
	case p.Run != nil:
		return p.Run.ConfigPath()
	}
	return ""
}

// open reads what the net was trained under.
func (p picked) open() (*train.Checkpoint, error) {
	if p.Builtin {
		return pretrained.Checkpoint(p.Weights)
	}
	return train.LoadCheckpoint(p.Weights)
}

// pickNet finds the net that a command was given: a file, a run by its name or
// its folder, or the one in the binary by its name. Where nothing was given it is
// the newest run of g.Runs that can draw, or the one in the binary where there
// are no runs. checkpoint is "last", "best" or another of the run's. Errors are
// of kind fault.Checkpoint.
func pickNet(g *Global, given, checkpoint string) (picked, error) {
	if given == "" && len(run.Names(g.Runs)) == 0 {
		g.Log.Info("there are no runs yet: the net in the binary draws", "net", pretrained.Name)
		return pickBuiltin(checkpoint)
	}
	p, err := pickCheckpoint(g, given, checkpoint)
	if err != nil && given == pretrained.Name && p.Run == nil {
		return pickBuiltin(checkpoint)
	}
	return p, err
}

// pickBuiltin is the net in the binary.
func pickBuiltin(checkpoint string) (picked, error) {
	if !pretrained.Has(checkpoint) {
		return picked{}, fault.New(fault.Checkpoint, "leave out --checkpoint, or name a run", "%s, the net in the binary, has no checkpoint %s", pretrained.Name, checkpoint)
	}
	return picked{Weights: checkpoint, Builtin: true}, nil
}

// pickCheckpoint finds the file that a command was given: as pickNet does, but
// for the net in the binary.
func pickCheckpoint(g *Global, given, checkpoint string) (picked, error) {
	if isFile(given) {
		dir := filepath.Dir(given)
		if f, err := run.Find(g.Runs, dir); err == nil && f.Dir == dir {
			return picked{Weights: given, Run: &f}, nil
		}
		return picked{Weights: given}, nil
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
	p := picked{Weights: f.CheckpointPath(checkpoint), Run: &f}
	if !isFile(p.Weights) {
		return p, fault.New(fault.Checkpoint, "diffuse train --resume "+shellWord(f.Name)+g.runsFlag(), "run %s has no checkpoint %s.safetensors", f.Dir, checkpoint)
	}
	return p, nil
}

// guide is the checkpoint that is to guide net, which is the one that was picked: a
// file, or another checkpoint of the same run; nil where c asks for none. Errors are
// of kind fault.Checkpoint.
func (p picked) guide(net *train.Checkpoint, c config.Sample) (*train.Checkpoint, error) {
	if c.Guide == "" || c.Guidance == 1 {
		return nil, nil
	}
	guide := picked{Weights: c.Guide}
	switch {
	case isFile(c.Guide):
	case p.Builtin && pretrained.Has(c.Guide):
		guide.Builtin = true
	case p.Run != nil && isFile(p.Run.CheckpointPath(c.Guide)):
		guide.Weights = p.Run.CheckpointPath(c.Guide)
	default:
		return nil, fault.New(fault.Checkpoint, "name a file, or a checkpoint that train.keep_every kept, or leave guidance at 1", "sample.guide: %s has no checkpoint %s beside it, and there is no such file", net.Path, c.Guide)
	}
	opened, err := guide.open()
	if err != nil {
		return nil, err
	}
	return opened, opened.Guides(&net.Contract)
}

// openNet is pickNet that also reads what the net was trained under.
func openNet(g *Global, given, checkpoint string) (picked, *train.Checkpoint, error) {
	p, err := pickNet(g, given, checkpoint)
	if err != nil {
		return p, nil, err
	}
	c, err := p.open()
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
