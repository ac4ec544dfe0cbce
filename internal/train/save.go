package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"syscall"

	"diffuse/internal/fault"
	"diffuse/internal/tensorfile"
)

// saveError is a checkpoint that could not be written; the old one is whole.
type saveError struct{ error }

func (e *saveError) Unwrap() error { return e.error }

// writeTensors is tensorfile.WriteSafetensors; a test makes it fail.
var writeTensors = tensorfile.WriteSafetensors

// save writes the checkpoint "last"; at the end of an epoch also "best", where
// that is due, and "epoch-NNNN".
func (t *Trainer) save(ctx context.Context, epochEnded bool) error {
	if t.Dir == "" {
		return nil
	}
	if name := t.firstUnfit(); name != "" {
		return fault.New(fault.Diverged, hintDiverged,
			"step %d made %s non-finite; no checkpoint is written of it", t.Step, name)
	}
	if err := t.write(); err != nil {
		return &saveError{fault.New(fault.Failure, t.hintSave(err),
			"save the checkpoint of step %d (the one before it is whole): %w", t.Step, err)}
	}
	best := epochEnded && t.BestStep == t.Step
	if epochEnded {
		if err := t.keep(); err != nil {
			return &saveError{fault.New(fault.Failure, t.hintSave(err),
				"keep the checkpoint of step %d: %w", t.Step, err)}
		}
	}
	return t.emit(ctx, Saved{Step: t.Step, Path: weightsPath(t.Dir, Last), Best: best})
}

// hintSave is what to do where a checkpoint could not be written.
func (t *Trainer) hintSave(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "the run's folder was removed while it trained: start it again"
	case errors.Is(err, syscall.ENOSPC):
		return "make room, then " + t.Command
	default:
		return t.Command
	}
}

// firstUnfit names what of the state is not finite: an update can overflow
// where the gradient did not.
func (t *Trainer) firstUnfit() string {
	params := t.Net.Params()
	for _, s := range []struct {
		what string
		flat []float32
	}{{"", params.Data}, {"the moment m of ", t.optimizer.m}, {"the moment v of ", t.optimizer.v}, {"the average of ", t.optimizer.average}} {
		if s.flat == nil || t.Kernels.AllFinite(s.flat) {
			continue
		}
		return s.what + firstNonFinite(t.Kernels, params, s.flat)
	}
	return ""
}

// files are the paths of the checkpoint called name, weights first.
func (t *Trainer) files(name string) []string {
	paths := []string{weightsPath(t.Dir, name), statePath(t.Dir, name)}
	if t.optimizer.average != nil {
		paths = append(paths, averagePath(t.Dir, name))
	}
	return paths
}

// write replaces the checkpoint "last".
func (t *Trainer) write() error {
	params, o := t.Net.Params(), t.optimizer
	weights := map[string]string{
		metaFormat: "pt", metaStep: strconv.Itoa(t.Step), metaContract: t.contract.encode(),
	}
	state := map[string]string{
		metaFormat: "pt", metaStep: strconv.Itoa(t.Step), metaProgress: t.encode(),
	}
	paths := t.files(Last)
	err := writeTensors(paths[0]+newSuffix, weights, tensors("", params, params.Data))
	if err == nil {
		err = writeTensors(paths[1]+newSuffix, state, append(tensors("m.", params, o.m), tensors("v.", params, o.v)...))
	}
	if err == nil && o.average != nil {
		err = writeTensors(paths[2]+newSuffix, weights, tensors("", params, o.average))
	}
	if err == nil {
		err = commit(paths)
	}
	if err != nil {
		abandon(paths)
	}
	return err
}

// keep makes "last" also "best" and "best-fid", if it is, and the one to keep of
// its epoch.
func (t *Trainer) keep() error {
	for name, step := range map[string]int{Best: t.BestStep, BestFID: t.BestFIDStep} {
		if step != t.Step || step == 0 { // 0 is none yet
			continue
		}
		if err := duplicate(t.files(Last), t.files(name)); err != nil {
			return err
		}
	}
	every := t.Config.Train.KeepEvery
	if every > 0 && t.Position == 0 && t.Epoch%every == 0 {
		return duplicate(t.files(Last), t.files(fmt.Sprintf("epoch-%04d", t.Epoch)))
	}
	return nil
}

// Resume puts the trainer where the checkpoint "last" in its folder stands.
// Errors are of kind fault.Checkpoint.
func (t *Trainer) Resume() error {
	removeStrays(t.Dir)
	paths := t.files(Last)
	if err := recoverFiles(paths); err != nil {
		return err
	}
	if !exists(paths[0]) {
		return fault.New(fault.Checkpoint, "start it again under another --name",
			"%s: the run has no checkpoint to resume", t.Dir)
	}
	if _, err := sameStep(paths); err != nil {
		return fault.New(fault.Checkpoint, "copy the three files of another checkpoint of the run, such as best, to last", "resume: %w", err)
	}
	if err := t.loadWeights(); err != nil {
		return err
	}
	if err := t.loadState(); err != nil {
		return err
	}
	t.Net.Repack(t.team)
	// A crash between saving "last" and linking others to it is made good.
	if t.Ended == t.Step {
		return t.keep()
	}
	return nil
}

func (t *Trainer) loadWeights() error {
	c, err := LoadCheckpoint(weightsPath(t.Dir, Last))
	if err != nil {
		return err
	}
	if err := c.Agrees(t.contract); err != nil {
		return fmt.Errorf("%s: %w", c.Path, err)
	}
	if err := c.LoadInto(t.Net.Params(), false); err != nil {
		return err
	}
	if t.optimizer.average == nil {
		return nil
	}
	f, err := tensorfile.OpenSafetensors(c.AveragePath)
	if err != nil {
		return err
	}
	defer f.Close()
	return readParams(f, c.AveragePath, "", t.Net.Params(), t.optimizer.average)
}

func (t *Trainer) loadState() error {
	path := statePath(t.Dir, Last)
	f, err := tensorfile.OpenSafetensors(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := decodeProgress(f.Meta()[metaProgress])
	if err != nil {
		return fault.New(fault.Checkpoint, "", "%s: %w", path, err)
	}
	if err := p.fits(t.Progress, t.stepsPerEpoch); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	params := t.Net.Params()
	if err := readParams(f, path, "m.", params, t.optimizer.m); err != nil {
		return err
	}
	if err := readParams(f, path, "v.", params, t.optimizer.v); err != nil {
		return err
	}
	p.KernelSet = t.KernelSet
	t.Progress = *p
	return nil
}
