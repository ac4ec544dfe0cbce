package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// RerunOptions are the options of diffuse rerun.
type RerunOptions struct {
	IO     *IO
	Global *Global
	Given  string // the run to repeat
	Name   string
	DryRun bool
	Force  bool
}

// NewRerun is `diffuse rerun`.
func NewRerun(stdio *IO, g *Global) *cobra.Command {
	o := &RerunOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "rerun RUN",
		Short: "Train a run again from its record, and compare",
		Long: help(`Train the same again: under the run's own config, whatever DIFFUSE_* variables
say. What differs today from the run's record is told first: the program, its
modules, the processor and kernels, the checkout and its changes, the images.
Other images are refused without --force.

At the end the weights of both are compared. Where nothing differs they are the
same bit for bit; if they are not, the exit status is 1.`,
			fault.Data, fault.Checkpoint, fault.Diverged, fault.Interrupted),
		Example: `  diffuse rerun clothes --dry-run  # what differs today?
  diffuse rerun clothes            # trains clothes-again`,
		Args:              arguments("a RUN", 1, 1),
		ValidArgsFunction: completeRuns(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Given = args[0]
			return rerunRun(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "", "the new run's `name`; RUN-again where none is given")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what differs, train nothing")
	f.BoolVar(&o.Force, "force", false, "train on other images than the run saw")
	return cmd
}

func rerunRun(ctx context.Context, o *RerunOptions) error {
	folder, err := run.Find(o.Global.Runs, o.Given)
	if err != nil {
		return err
	}
	old, err := run.ReadRecord(folder)
	if err != nil {
		return err
	}
	r, err := config.Load(config.LoadOptions{File: folder.ConfigPath()})
	if err != nil {
		return err
	}
	stdio := *o.IO
	if o.Global.JSON {
		stdio.Out = io.Discard // the result is the comparison
	}
	name := cmp.Or(o.Name, againName(o.Global.Runs, folder.Name))
	t, err := newTraining(&TrainOptions{IO: &stdio, Global: o.Global, Name: name, rerunOf: folder.Name}, r, true)
	if err != nil {
		return err
	}
	result := &RerunResult{RerunOf: folder.Name, Differs: t.differs(ctx, old)}
	result.printDiffers(o)
	if o.DryRun {
		return o.print(result)
	}
	if err := t.sameImages(old); err != nil && !o.Force {
		return err
	}
	if err := t.begin(ctx); err != nil {
		return err
	}
	result.Run = name
	if err := result.compare(old, run.Folder{Dir: filepath.Join(o.Global.Runs, name), Name: name}); err != nil {
		return err
	}
	if err := o.print(result); err != nil {
		return err
	}
	if result.Same != nil && !*result.Same && len(result.Differs) == 0 {
		return fault.New(fault.Failure, "diffuse runs diff "+shellWord(folder.Name)+" "+shellWord(name)+o.Global.runsFlag(),
			"run %s has other weights than %s, though nothing differs that is in the record", name, folder.Name)
	}
	return nil
}

// againName is a name for a run's repetition that no run in the folder has.
func againName(runs, name string) string {
	for n := 1; ; n++ {
		end := "-again"
		if n > 1 {
			end = fmt.Sprintf("-again-%d", n)
		}
		const longest = 64
		again := name[:min(len(name), longest-len(end))] + end
		if _, err := os.Lstat(filepath.Join(runs, again)); err != nil {
			return again
		}
	}
}

// differs is what is not as any attempt of a run recorded it, in its order.
func (t *training) differs(ctx context.Context, old *run.Record) []run.Change {
	source, patch := run.ReadSource(ctx, ".")
	today := run.StartLine{Origin: run.Origin{Machine: thisMachine(), Source: source, Data: t.data()}}
	changes := []run.Change{}
	for _, s := range old.Starts {
		if today.From = nil; s.From != nil { // not of a resumption, which began with the run's own
			today.From = t.from
		}
		now := facts(today, hashOf(patch))
		for _, c := range run.Changes(facts(s, patchHash(old.Folder, s)), now) {
			if strings.HasPrefix(c.What, "module ") && s.Machine.Modules == nil || slices.Contains(changes, c) {
				continue // format 1 knew no modules
			}
			changes = append(changes, c)
		}
	}
	return changes
}

// facts are what the weights of an attempt can depend on, besides its config.
func facts(s run.StartLine, patch string) map[string]string {
	all := s.Facts()
	if s.Source != nil && s.Source.Dirty {
		all["source changes"] = cmp.Or(patch, "not kept")
	}
	if s.Machine.Features != nil { // kernels of one name round bfloat16 with and without it
		all["bfloat16 instruction"] = fmt.Sprint(slices.Contains(s.Machine.Features, "AVX512BF16"))
	}
	return all
}

// hashOf stands for changes; of none it is empty.
func hashOf(patch []byte) string {
	if len(patch) == 0 {
		return ""
	}
	sum := sha256.Sum256(patch)
	return hex.EncodeToString(sum[:])
}

// patchHash is the hash of the changes that an attempt kept.
func patchHash(f run.Folder, s run.StartLine) string {
	if s.Source == nil || s.Source.Patch == "" {
		return ""
	}
	patch, err := os.ReadFile(filepath.Join(f.Dir, filepath.Base(s.Source.Patch)))
	if err != nil {
		return "gone"
	}
	return hashOf(patch)
}

// sameImages refuses images that are not those the run saw, as far as its record
// knows them.
func (t *training) sameImages(old *run.Record) error {
	for _, s := range old.Starts {
		if s.Data != nil && *s.Data != *t.data() {
			return fault.New(fault.Data, "name the folder that the run's images are in: --data DIR; --force trains on these",
				"%s are not the images that run %s saw", t.config.Data.Set, old.Name)
		}
	}
	return nil
}

// printDiffers tells on stderr what is not as it was.
func (r *RerunResult) printDiffers(o *RerunOptions) {
	if o.Global.Quiet || o.Global.JSON && o.DryRun {
		return
	}
	known := func(text string) string { return cmp.Or(shortHash(text), "unknown") }
	for _, c := range r.Differs {
		fmt.Fprintf(o.IO.Err, "differs: %s: %s then, %s now\n", c.What, known(c.A), known(c.B))
	}
	if len(r.Differs) == 0 {
		fmt.Fprintf(o.IO.Err, "nothing differs from the record of %s\n", r.RerunOf)
	}
}

// print writes the result.
func (o *RerunOptions) print(r *RerunResult) error {
	if o.Global.JSON {
		return o.IO.PrintJSON(r)
	}
	if r.Verdict == "" {
		return nil
	}
	_, err := fmt.Fprintf(o.IO.Out, "  again   %s\n", r.Verdict)
	return err
}
