// Package run is a run's folder and its record: where config, log, checkpoints
// and samples lie, who may write them, and the observers that write them.
package run

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"diffuse/internal/atomicfile"
	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/train"
)

// Folder is the folder of one run:
//
//	config.yaml      the resolved config
//	log.jsonl        one JSON object a line, append-only
//	*.safetensors    checkpoints, see package train
//	samples/         grids
//	curves.png       losses and learning rate
type Folder struct {
	Dir  string
	Name string
}

// ConfigPath is the path of the resolved config.
func (f Folder) ConfigPath() string { return filepath.Join(f.Dir, "config.yaml") }

// LogPath is the path of the record.
func (f Folder) LogPath() string { return filepath.Join(f.Dir, "log.jsonl") }

// SamplesDir is the folder of the sample grids.
func (f Folder) SamplesDir() string { return filepath.Join(f.Dir, "samples") }

// CurvesPath is the path of the plot of losses and learning rate.
func (f Folder) CurvesPath() string { return filepath.Join(f.Dir, "curves.png") }

// LastPath is the path of the last checkpoint's weights.
func (f Folder) LastPath() string { return f.CheckpointPath(train.Last) }

// BestPath is the path of the weights with the lowest validation loss.
func (f Folder) BestPath() string { return f.CheckpointPath(train.Best) }

// CheckpointPath is the path of the weights of a checkpoint: last, best, epoch-0004.
func (f Folder) CheckpointPath(name string) string { return filepath.Join(f.Dir, name+".safetensors") }

func (f Folder) lockPath() string { return filepath.Join(f.Dir, ".lock") }

// Create makes the folder of a new run in runs, locked for this process, with
// its resolved config. Without a name it finds one that begins with base.
func Create(runs, name, base string, resolved []byte) (Folder, *Lock, error) {
	if name != "" {
		if err := checkName("--name", name); err != nil {
			return Folder{}, nil, err
		}
	}
	if err := os.MkdirAll(runs, 0o777); err != nil {
		return Folder{}, nil, unwritable(runs, err)
	}
	f, err := makeFolder(runs, name, base)
	if err != nil {
		return Folder{}, nil, err
	}
	lock, err := f.Restart(resolved)
	if err != nil {
		os.RemoveAll(f.Dir) // it is new: there is nothing of the user's in it
		return Folder{}, nil, unwritable(f.Dir, err)
	}
	return f, lock, nil
}

// Restart takes the folder of a run that has no checkpoint for this process, to
// begin at the first step; the log is kept.
func (f Folder) Restart(resolved []byte) (*Lock, error) {
	lock, err := f.Lock()
	if err == nil {
		err = f.WriteConfig(resolved)
	}
	if err == nil {
		err = os.MkdirAll(f.SamplesDir(), 0o777)
	}
	if err != nil {
		lock.Release()
		return nil, err
	}
	return lock, nil
}

// makeFolder makes the folder called name, or one with a generated name.
func makeFolder(runs, name, base string) (Folder, error) {
	for try := 0; ; try++ {
		f := Folder{Name: name}
		if name == "" {
			f.Name = generateName(base, try)
		}
		f.Dir = filepath.Join(runs, f.Name)
		err := os.Mkdir(f.Dir, 0o777)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, fs.ErrExist):
			return f, unwritable(runs, err)
		case name != "":
			return f, fault.New(fault.Usage, "diffuse train --resume "+name+", or another --name",
				"--name: there is a run %s already", f.Dir)
		}
	}
}

// WriteConfig replaces the resolved config.
func (f Folder) WriteConfig(resolved []byte) error {
	return atomicfile.Write(f.ConfigPath(), func(w io.Writer) error {
		_, err := w.Write(resolved)
		return err
	})
}

// Find is the run that a user names: by the name of its folder in runs, or by
// the folder's path. Errors are of kind fault.Checkpoint.
func Find(runs, name string) (Folder, error) {
	for _, dir := range []string{filepath.Join(runs, name), name} {
		if isRun(dir) {
			return Folder{Dir: dir, Name: filepath.Base(filepath.Clean(dir))}, nil
		}
	}
	hint := "diffuse train"
	if names := Names(runs); len(names) > 0 {
		hint = "the runs in " + runs + " are " + strings.Join(names, ", ")
	}
	return Folder{}, fault.New(fault.Checkpoint, hint, "there is no run %s in %s", name, runs)
}

// isRun tells whether dir is a run's folder.
func isRun(dir string) bool {
	info, err := os.Stat(Folder{Dir: dir}.ConfigPath())
	return err == nil && info.Mode().IsRegular()
}

// Names are the runs in a folder, by name.
func Names(runs string) []string {
	entries, _ := os.ReadDir(runs) // a folder that is not there has no runs
	var names []string
	for _, e := range entries {
		if isRun(filepath.Join(runs, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}

// Newest is, of the runs whose net can draw, the one whose last checkpoint is the
// youngest. Errors are of kind fault.Checkpoint.
func Newest(runs string) (Folder, error) {
	var newest Folder
	var youngest int64
	for _, name := range Names(runs) {
		f := Folder{Dir: filepath.Join(runs, name), Name: name}
		info, err := os.Stat(f.LastPath())
		if err == nil && (newest.Name == "" || info.ModTime().UnixNano() > youngest) && f.mayDraw() {
			newest, youngest = f, info.ModTime().UnixNano()
		}
	}
	if newest.Name == "" {
		return newest, fault.New(fault.Checkpoint, "diffuse train", "no run in %s has a net that draws", runs)
	}
	return newest, nil
}

// Latest is the run whose log was written to last. Errors are of kind
// fault.Checkpoint.
func Latest(runs string) (Folder, error) {
	var latest Folder
	var youngest int64
	for _, name := range Names(runs) {
		f := Folder{Dir: filepath.Join(runs, name), Name: name}
		info, err := os.Stat(f.LogPath())
		if err == nil && (latest.Name == "" || info.ModTime().UnixNano() > youngest) {
			latest, youngest = f, info.ModTime().UnixNano()
		}
	}
	if latest.Name == "" {
		return latest, fault.New(fault.Checkpoint, "diffuse train", "there is no run in %s", runs)
	}
	return latest, nil
}

// mayDraw tells whether the run's last checkpoint draws. One that cannot be read
// may: whoever opens it will say what is wrong.
func (f Folder) mayDraw() bool {
	c, err := train.LoadCheckpoint(f.LastPath())
	return err != nil || c.Draws()
}

// checkName wants what can be a folder everywhere; from is where it was given.
func checkName(from, name string) error {
	if !config.IsName(name) {
		return fault.New(fault.Usage, "name it like my-run",
			"%s: must be at most 64 letters, digits, '.', '_' and '-', and begin with a letter or digit, got %q", from, name)
	}
	return nil
}

// unwritable is the error of a runs folder that no run can be made in.
func unwritable(dir string, err error) error {
	if _, known := errors.AsType[*fault.Error](err); known {
		return err
	}
	return fault.New(fault.Failure, "name a folder that you can write to: --runs DIR", "make a run in %s: %w", dir, err)
}

// readOnly is the error of a run that is there and cannot be written.
func readOnly(f Folder, err error) error {
	return fault.New(fault.Failure, "copy the run to a folder that you can write to, and name that: --runs DIR", "write to run %s: %w", f.Name, err)
}

// ReadPicture reads a PNG of the run's folder, by the path that the log gives it.
// The log may be somebody else's: no path leads out of the folder, and what is no
// PNG is an error.
func (f Folder) ReadPicture(path string) ([]byte, error) {
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	b, err := root.ReadFile(filepath.FromSlash(path))
	if err == nil && !bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) {
		err = fmt.Errorf("%s is no PNG", path)
	}
	return b, err
}

// Rename gives the run another name beside its own. A run that trains, and a name
// that is taken, are refused.
func (f Folder) Rename(name string) (Folder, error) {
	if err := checkName("the new name", name); err != nil {
		return f, err
	}
	to := Folder{Dir: filepath.Join(filepath.Dir(filepath.Clean(f.Dir)), name), Name: name}
	if _, err := os.Lstat(to.Dir); err == nil {
		return f, fault.New(fault.Usage, "", "there is a %s already", to.Dir)
	}
	lock, err := f.Lock()
	if err != nil {
		return f, err
	}
	defer lock.Release()
	if err := os.Rename(f.Dir, to.Dir); err != nil {
		return f, readOnly(f, err)
	}
	return to, nil
}

// Remove deletes the run's folder. A run that trains is refused.
func (f Folder) Remove() error {
	lock, err := f.Lock()
	if err != nil {
		return err
	}
	// The config goes last: until then it is a run, which can be removed again.
	entries, err := os.ReadDir(f.Dir)
	for _, e := range entries {
		if name := filepath.Join(f.Dir, e.Name()); err == nil && name != f.ConfigPath() && name != f.lockPath() {
			err = os.RemoveAll(name)
		}
	}
	lock.Release() // some systems keep a file that is open
	if err == nil {
		err = os.RemoveAll(f.Dir)
	}
	if err != nil {
		return readOnly(f, err)
	}
	return nil
}
