package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/run"
	"diffuse/internal/sweep"
	"diffuse/internal/train"
)

// series is runs that one command trains, those of a sweep or a recipe's: each is
// found again by its name, left where it is finished, and goes on where it is not.
type series struct {
	stdio  *IO
	global *Global
	quiet  *IO    // without results: the command has its own
	what   string // "sweep" or "recipe"
	name   string // that the runs' records have
	file   string // as errors call it
	config string // what every run starts from
	rename string // how its runs get other names
}

// muted is stdio without its results.
func muted(stdio *IO) *IO {
	quiet := *stdio
	quiet.Out = io.Discard
	return &quiet
}

// over tells whether a run has done what it was started for; diverging is what
// it would do again.
func over(s run.Status) bool {
	return slices.Contains([]run.Status{run.Finished, run.Reached, run.Missed, run.Diverged}, s)
}

// look reads what there is of a run; nil is nothing. A folder of its name that is
// of another config, or no run, is an error.
func (s *series) look(r *sweep.Run) (*run.Record, error) {
	f := run.Folder{Dir: filepath.Join(s.global.Runs, r.Name), Name: r.Name}
	entries, err := os.ReadDir(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Failure, "", "look for run %s: %w", r.Name, err)
	}
	if !isFile(f.ConfigPath()) {
		if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !strings.HasPrefix(e.Name(), ".") }) {
			return nil, fault.New(fault.Usage, s.rename+", or another --runs", "%s is there and is no run", f.Dir)
		}
	} else if err := s.sameConfig(f, r); err != nil {
		return nil, err
	}
	return run.ReadRecord(f)
}

// sameConfig refuses a run whose config is another than the sweep's of that name.
func (s *series) sameConfig(f run.Folder, r *sweep.Run) error {
	own, err := config.Load(config.LoadOptions{File: f.ConfigPath()})
	if err != nil {
		return err
	}
	for _, c := range run.Changes(own.Flat(), r.Config.Flat()) {
		if c.What == "name" || slices.Contains(freeKeys, c.What) || strings.HasPrefix(c.What, "notify.") {
			continue
		}
		return fault.New(fault.Usage, s.rename+", or diffuse runs rm "+shellWord(r.Name)+s.global.runsFlag(),
			"run %s has another config than %s asks for: %s is %s there and %s here", f.Dir, s.file, c.What, c.A, c.B)
	}
	return nil
}

// finish trains a run, or what is missing of it.
func (s *series) finish(ctx context.Context, r *sweep.Run, title string) error {
	record, err := s.look(r)
	if err != nil {
		return err
	}
	switch {
	case record == nil:
		s.say(title)
		err = s.begin(ctx, r, nil)
	case record.Status == run.Running:
		s.say(title + ": another process trains it")
		return nil
	case record.Status == run.Diverged:
		s.say(title + ": it diverged before")
		return fault.New(fault.Diverged, "diffuse runs rm "+shellWord(r.Name)+s.global.runsFlag()+" lets the "+s.what+" try it again", "it diverged before: %s", record.End.Error)
	case over(record.Status):
		s.say(title + ": finished before")
	case isFile(record.LastPath()):
		s.say(title + ": goes on at step " + thousands(record.LastStep()))
		err = trainRun(ctx, &TrainOptions{IO: s.quiet, Global: s.global, Resume: record.Dir, series: s.name})
	default:
		s.say(title + ": begins anew, there is no checkpoint")
		err = s.begin(ctx, r, &record.Folder)
	}
	return err
}

// say tells on stderr where the command is.
func (s *series) say(what string) {
	if !s.global.Quiet {
		fmt.Fprintln(s.stdio.Err, what)
	}
}

// score draws images of a run's last checkpoint under keys of the sample section
// and scores them, as diffuse fid does.
func (s *series) score(ctx context.Context, r *sweep.Run, keys ...config.Override) error {
	return scoreRun(ctx, &ScoreOptions{
		SampleOptions: SampleOptions{
			IO: s.quiet, Global: s.global, Given: filepath.Join(s.global.Runs, r.Name), Checkpoint: train.Last, Keys: keys,
		},
		JudgeOptions: defaultJudge(s.global),
	})
}

// scoreOf is the latest score of a run's last checkpoint, by the weights that draw,
// that is as wanted; nil if there is none.
func (s *series) scoreOf(r *sweep.Run, record *run.Record, wanted func(*run.ScoreLine) bool) *run.ScoreLine {
	weights := "raw"
	if r.Config.Train.EMA > 0 {
		weights = "ema"
	}
	for i := len(record.Scores) - 1; i >= 0; i-- {
		l := &record.Scores[i]
		if l.Checkpoint == lastFile && l.Step == record.LastStep() && l.Weights == weights && wanted(l) {
			return l
		}
	}
	return nil
}

// begin trains a run from its first step, in a folder that it has already or in
// a new one.
func (s *series) begin(ctx context.Context, r *sweep.Run, folder *run.Folder) error {
	return trainRun(ctx, &TrainOptions{
		IO: s.quiet, Global: s.global, Config: s.config, Overrides: r.Set, Name: r.Name, series: s.name, again: folder,
	})
}
