package cli

import (
	"context"
	"fmt"
	"strconv"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/run"
	"diffuse/internal/sweep"
)

// train makes each run of the shard finished. Its error is the first run's that
// was not, or that of Ctrl-C.
func (s *sweeping) train(ctx context.Context) error {
	var first error
	failed := 0
	for i, r := range s.runs {
		err := s.finish(ctx, r, fmt.Sprintf("run %d/%d %s", i+1, len(s.runs), r.Name))
		if ctx.Err() != nil {
			return fault.New(fault.Interrupted, "the same command goes on: diffuse sweep "+shellWord(s.File)+s.flags(),
				"interrupted in run %d of %d, %s: what was done is saved", i+1, len(s.runs), r.Name)
		}
		if err == nil {
			continue
		}
		s.Global.Log.Error("the run failed", "run", r.Name, "error", err)
		failed++
		if first == nil {
			first = fault.New(fault.Kind(fault.Code(err)), fault.Hint(err), "run %s: %w", r.Name, err)
		}
		if s.StopOnFailure {
			return first
		}
	}
	if failed > 1 {
		first = fault.New(fault.Kind(fault.Code(first)), fault.Hint(first), "%d of %d runs failed, first %w", failed, len(s.runs), first)
	}
	return first
}

// flags repeat what decides which runs there are, and where.
func (s *sweeping) flags() string {
	text := ""
	if s.Name != "" {
		text += " --name " + s.Name
	}
	if s.Shard != "" {
		text += " --shard " + s.Shard
	}
	return text + s.Global.runsFlag() + s.Global.dataFlag()
}

// finish trains what is missing of a run, and scores it.
func (s *sweeping) finish(ctx context.Context, r *sweep.Run, title string) error {
	if err := s.series.finish(ctx, r, title); err != nil || s.file.Score == nil {
		return err
	}
	return s.score(ctx, r)
}

// score draws images of a finished run and scores them, as diffuse fid does,
// unless that was done.
func (s *sweeping) score(ctx context.Context, r *sweep.Run) error {
	record, err := s.look(r)
	if err != nil || !over(record.Status) || s.scoreOf(r, record) != nil {
		return err
	}
	n := config.Override{Key: "sample.n", Value: strconv.Itoa(s.file.Score.Samples), From: s.file.Score.From}
	return s.series.score(ctx, r, n)
}

// scoreOf is a run's latest score; where the sweep asks for one, the latest that
// is of the last checkpoint and as many images, drawn as the config says.
func (s *sweeping) scoreOf(r *sweep.Run, record *run.Record) *run.ScoreLine {
	want := s.file.Score
	if want == nil {
		return record.LastScore()
	}
	return s.series.scoreOf(r, record, func(l *run.ScoreLine) bool {
		return l.Samples == want.Samples && l.Sampler == r.Config.Sample.Sampler
	})
}
