package cli

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/machine"
	"diffuse/internal/run"
)

// NewRunsShow is `diffuse runs show`.
func NewRunsShow(stdio *IO, g *Global) *cobra.Command {
	return &cobra.Command{
		Use:   "show [RUN]",
		Short: "Say what is known of a run",
		Long: help(`Say how a run stands, what made it, how its losses went and how it scored: the
newest one where none is named. --json prints all of its record but the single steps.`),
		Example: `  diffuse runs show
  diffuse runs show clothes --json | jq .scores`,
		Args:              arguments("a RUN", 0, 1),
		ValidArgsFunction: completeRuns(g),
		RunE: func(_ *cobra.Command, args []string) error {
			folder, err := findOrNewest(g, given(args))
			if err != nil {
				return err
			}
			r, err := run.ReadRecord(folder)
			if err != nil {
				return err
			}
			if g.JSON {
				return stdio.PrintJSON(recordJSON(r))
			}
			return printRecord(stdio.Out, g, r)
		},
	}
}

// findOrNewest is the run of this name, or the one that was written to last.
func findOrNewest(g *Global, name string) (run.Folder, error) {
	if name != "" {
		return run.Find(g.Runs, name)
	}
	return run.Latest(g.Runs)
}

// RecordJSON is a run's record for programs.
type RecordJSON struct {
	Run       string              `json:"run"`
	Dir       string              `json:"dir"`
	Status    run.Status          `json:"status"`
	Step      int                 `json:"step"`
	Seconds   float64             `json:"seconds"` // of training
	Tags      []string            `json:"tags"`
	Note      string              `json:"note"`
	Config    map[string]string   `json:"config"`
	Attempts  []run.StartLine     `json:"attempts"`
	End       *run.EndLine        `json:"end"`
	Epochs    []run.EpochLine     `json:"epochs"`
	Scores    []run.ScoreLine     `json:"scores"`
	Grids     []run.GridLine      `json:"grids"`
	NonFinite []run.NonFiniteLine `json:"non_finite"`
	Alerts    []run.AlertLine     `json:"alerts"`
	Damaged   int                 `json:"damaged_lines"`
}

func recordJSON(r *run.Record) RecordJSON {
	return RecordJSON{
		Run: r.Name, Dir: r.Dir, Status: r.Status, Step: r.LastStep(), Seconds: round(r.Seconds(), 4), Tags: r.Tags, Note: r.Note,
		Config: runConfig(r.Folder), Attempts: r.Starts, End: r.End, Epochs: r.Epochs, Scores: r.Scores, Grids: r.Grids,
		NonFinite: r.Skipped, Alerts: r.Alerts, Damaged: r.Damaged,
	}
}

// runConfig is a run's config as a table; nil where it cannot be read.
func runConfig(f run.Folder) map[string]string {
	r, err := config.Load(config.LoadOptions{File: f.ConfigPath()})
	if err != nil {
		return nil
	}
	return r.Flat()
}

// printRecord writes a run's record for people.
func printRecord(w io.Writer, g *Global, r *run.Record) error {
	start, conf := r.Start(), runConfig(r.Folder)
	row := func(what, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(w, "  %-10s%s\n", what, text)
		}
	}
	fmt.Fprintf(w, "%s: %s\n", r.Name, statusText(r))
	row("folder", "%s", r.Dir)
	row("config", "%s", conf["name"])
	row("progress", "%s", progressText(r, start))
	row("net", "%s, %s parameters", cmp.Or(conf["model.kind"], "net"), thousands(start.Parameters))
	row("data", "%s: %s images to train with, %s to validate", cmp.Or(conf["data.set"], "images"), thousands(start.TrainImages), thousands(start.ValidImages))
	row("machine", "%s", machineText(start.Machine))
	row("program", "%s", programText(start.Machine))
	row("source", "%s", sourceText(start.Source))
	row("command", "%s", commandText(start.Command))
	row("from", "%s", fromText(r.Starts))
	row("rerun of", "%s", start.RerunOf)
	row("sweep", "%s", start.Sweep)
	row("tags", "%s", strings.Join(r.Tags, ", "))
	row("note", "%s", strings.ReplaceAll(r.Note, "\n", "\n            "))
	if e := r.LastEpoch(); e != nil {
		row("loss", "%s", lossText(r, e))
	}
	if n := len(r.Skipped); n > 0 {
		row("skipped", "%d steps that were not finite, the last in %s", n, r.Skipped[n-1].Layer)
	}
	for _, s := range r.Scores {
		row("score", "step %d: %s", s.Step, cmp.Or(s.FIDLine(), s.KIDLine()))
	}
	for _, a := range r.Alerts {
		row("alert", "step %d: %s", a.Step, a.Rule)
	}
	if len(r.Grids) > 0 {
		row("grid", "%s", filepath.Join(r.Dir, filepath.FromSlash(r.Grids[len(r.Grids)-1].Path)))
	}
	if r.Damaged > 0 {
		row("damaged", "%d lines of log.jsonl could not be read", r.Damaged)
	}
	if next := nextCommand(g, r); next != "" {
		row("next", "%s", next)
	}
	return nil
}

func statusText(r *run.Record) string {
	if r.End == nil || r.Status == run.Running {
		return string(r.Status)
	}
	text := string(r.Status) + " " + r.End.Time
	if r.End.Error != "" {
		text += ": " + r.End.Error
	}
	return text
}

func progressText(r *run.Record, start run.StartLine) string {
	if start.Total == 0 {
		return "not begun"
	}
	text := fmt.Sprintf("step %d of %d", r.LastStep(), start.Total)
	if start.StepsPerEpoch > 0 {
		text += fmt.Sprintf(", epoch %.1f", float64(r.LastStep())/float64(start.StepsPerEpoch))
	}
	text += ", " + shortTime(time.Duration(r.Seconds()*float64(time.Second))) + " of training"
	if n := len(r.Starts); n > 1 {
		text += fmt.Sprintf(" in %d attempts", n)
	}
	return text
}

func machineText(m run.Machine) string {
	text := fmt.Sprintf("%s, %d cores", m.CPU, m.Cores)
	if m.Memory > 0 {
		text += ", " + machine.Bytes(m.Memory)
	}
	if len(m.GPUs) > 0 {
		text += ", " + strings.Join(m.GPUs, ", ")
	}
	text += ", kernels " + m.Kernels
	if m.Host != "" {
		text += ", " + m.Host
	}
	return text
}

func programText(m run.Machine) string {
	text := fmt.Sprintf("diffuse %s (%s, %s, %s)", m.Version, m.Commit, m.Go, m.Platform)
	if m.Modified {
		text += " from a tree with changes"
	}
	return text
}

func sourceText(s *run.Source) string {
	if s == nil {
		return ""
	}
	text := s.Commit[:min(12, len(s.Commit))]
	if s.Branch != "" {
		text = s.Branch + " " + text
	}
	switch {
	case s.Patch != "":
		text += ", with the changes in " + s.Patch
	case s.Dirty:
		text += ", with changes too large to keep"
	}
	return text
}

// fromText is what the first of a run's attempts began with.
func fromText(starts []run.StartLine) string {
	if len(starts) == 0 || starts[0].From == nil {
		return ""
	}
	w := starts[0].From
	return fmt.Sprintf("%s, step %s, sha256 %.8s", w.Path, thousands(w.Step), w.SHA256)
}

func commandText(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		if i == 0 {
			a = filepath.Base(a)
		}
		words[i] = shellWord(a)
	}
	return strings.Join(words, " ")
}

func lossText(r *run.Record, e *run.EpochLine) string {
	text := fmt.Sprintf("train %s, validation %s", loss(e.TrainLoss), loss(e.ValidLoss))
	if e.ValidEMA != nil {
		text += ", of the averaged weights " + loss(e.ValidEMA)
	}
	if e.Accuracy != nil {
		text += fmt.Sprintf(", accuracy %.4f", *e.Accuracy)
	}
	for _, b := range r.Epochs {
		if b.Best {
			e = &b
		}
	}
	return text + fmt.Sprintf("; best at step %d", e.Step)
}

// nextCommand is what one would type next.
func nextCommand(g *Global, r *run.Record) string {
	switch r.Status {
	case run.Running:
		return ""
	case run.Interrupted, run.Crashed:
		return "diffuse train --resume " + shellWord(r.Name) + g.runsFlag()
	case run.Diverged:
		return "diffuse train --config " + shellWord(r.ConfigPath()) + " with a lower --lr"
	}
	if len(r.Scores) == 0 {
		return "diffuse fid " + shellWord(r.Name) + g.runsFlag()
	}
	return "diffuse sample " + shellWord(r.Name) + g.runsFlag()
}
