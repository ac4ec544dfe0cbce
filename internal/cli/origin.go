package cli

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"

	"diffuse/internal/machine"
	"diffuse/internal/run"
)

// origin is what a run's record says of where the run comes from, when an
// attempt begins at a step. Its uncommitted changes are kept in the folder.
func (t *training) origin(ctx context.Context, folder run.Folder, step int) (run.Origin, error) {
	source, err := folder.KeepSource(ctx, ".", run.PatchName(step))
	return run.Origin{
		Machine: thisMachine(), Source: source, Command: os.Args,
		Data:    t.data(),
		From:    t.from,
		RerunOf: t.o.rerunOf, Sweep: t.o.series,
	}, err
}

// data are the images that t sees.
func (t *training) data() *run.Data {
	return &run.Data{Train: t.images.Hash, Valid: t.valid.Hash}
}

// thisMachine is the program and the machine it runs on.
func thisMachine() run.Machine {
	v := versionInfo()
	m := run.Machine{
		Version: v.Version, Commit: v.Commit, Go: v.Go, Platform: v.Platform,
		CPU: machine.CPU(), Features: machine.Features(), Cores: runtime.NumCPU(),
		Memory: machine.Memory(), GPUs: machine.GPUs(), Kernels: v.Kernel,
		Modules: map[string]string{},
	}
	m.Host, _ = os.Hostname() // a machine without a name has none in the record
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return m
	}
	for _, d := range build.Deps {
		m.Modules[d.Path] = d.Version
	}
	for _, s := range build.Settings {
		m.Modified = m.Modified || s.Key == "vcs.modified" && s.Value == "true"
	}
	return m
}
