package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/run"
	"diffuse/internal/sweep"
	"diffuse/internal/train"
)

// SweepOptions are the options of diffuse sweep.
type SweepOptions struct {
	IO            *IO
	Global        *Global
	File          string
	Name          string
	Shard         string
	DryRun        bool
	Table         bool
	StopOnFailure bool
}

// NewSweep is `diffuse sweep`.
func NewSweep(stdio *IO, g *Global) *cobra.Command {
	o := &SweepOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "sweep FILE",
		Short: "Train one config under many values of its keys, and compare",
		Long: help(`Train the runs that a file asks for, one after the other, and print a table of
them; where seeds vary, also means over seeds. The table is written to
RUNS/SWEEP.csv as well.

  config: quick.yaml          # what every run starts from
  set: {train.steps: 200}     # for every run
  grid:                       # every combination
    schedule.betamax: [0.02, 0.01]
    train.seed: [1, 2, 3]
  runs:                       # a list, before the grid
    - {schedule.kind: cosine}
  score: {samples: 512}       # FID and KID of each run when it ends

All of it is checked before the first run starts. A run is called after the sweep
and the keys it sets. A sweep that is started again leaves out what is finished,
goes on with what was interrupted and trains what is missing; Ctrl-C saves the
run that trains. A run that fails does not end the sweep: it ends with that run's
exit status. --shard 1/4 takes every fourth run; shards work in the same folder
at once, on as many machines as there are. docs/sweep.md has more.`,
			fault.Data, fault.Checkpoint, fault.Diverged, fault.Interrupted),
		Example: `  diffuse sweep sweep-quick.yaml           # two minutes on two cores
  diffuse sweep my.yaml --dry-run
  diffuse sweep my.yaml --shard 2/4
  diffuse sweep my.yaml --table`,
		Args:              arguments("a FILE", 1, 1),
		ValidArgsFunction: beside(config.EmbeddedSweeps),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.File = args[0]
			return sweepRun(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "", "the sweep's `name`, which begins those of its runs; the file's where none is given")
	f.StringVar(&o.Shard, "shard", "", "train the `i/n`-th part of the runs")
	f.BoolVar(&o.DryRun, "dry-run", false, "print the runs and how they stand, train nothing")
	f.BoolVar(&o.Table, "table", false, "print the table of what there is, train nothing")
	f.BoolVar(&o.StopOnFailure, "stop-on-failure", false, "end the sweep when a run fails")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "table")
	return cmd
}

// sweeping is a sweep whose runs are known.
type sweeping struct {
	*SweepOptions
	*series
	file *config.Sweep
	plan *sweep.Plan
	runs []*sweep.Run // those of the shard
}

func sweepRun(ctx context.Context, o *SweepOptions) error {
	s, err := newSweeping(o)
	if err != nil {
		return err
	}
	if o.Table {
		return s.table()
	}
	if err := s.check(); err != nil {
		return err
	}
	if o.DryRun {
		return s.list()
	}
	failed := s.train(ctx)
	if fault.Code(failed) == int(fault.Interrupted) {
		return failed
	}
	if err := s.table(); err != nil {
		return err
	}
	return failed
}

func newSweeping(o *SweepOptions) (*sweeping, error) {
	shard, err := sweep.ParseShard(o.Shard)
	if err != nil {
		return nil, err
	}
	file, err := config.LoadSweep(o.File)
	if err != nil {
		return nil, err
	}
	plan, err := sweep.New(file, cmp.Or(o.Name, file.Name), func(set ...config.Override) (*config.Resolved, error) {
		return o.Global.LoadConfig(file.Config, set...)
	})
	if err != nil {
		return nil, err
	}
	return &sweeping{
		SweepOptions: o, file: file, plan: plan, runs: shard.Of(plan.Runs),
		series: &series{
			stdio: o.IO, global: o.Global, quiet: muted(o.IO), what: "sweep", name: plan.Name,
			file: file.File, config: file.Config, rename: "give the sweep another --name",
		},
	}, nil
}

// check refuses what would go wrong with a run of the shard, before any starts.
func (s *sweeping) check() error {
	opened := map[string]bool{}
	for _, r := range s.runs {
		if s.file.Score != nil && r.Config.Model.Kind != config.UNet {
			return fault.New(fault.Usage, "leave score out", "%s: run %s is a classifier: it draws nothing to score", s.file.Score.From, r.Name)
		}
		record, err := s.look(r)
		if err != nil {
			return err
		}
		data := r.Config.Data.Set + strconv.Itoa(r.Config.Data.Size)
		if s.DryRun || opened[data] || record != nil && over(record.Status) {
			continue
		}
		opened[data] = true
		for _, split := range []dataset.Split{dataset.Train, dataset.Test} {
			if _, err := openImages(s.Global, r.Config, split, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// list prints the runs of the shard and how they stand.
func (s *sweeping) list() error {
	type planned struct {
		Run    string            `json:"run"`
		Status run.Status        `json:"status"`
		Keys   map[string]string `json:"keys"`
	}
	all := []planned{}
	for _, r := range s.runs {
		p := planned{r.Name, missing, map[string]string{}}
		record, err := s.look(r)
		if err != nil {
			return err
		}
		if record != nil {
			p.Status = record.Status
		}
		for _, o := range r.Keys {
			p.Keys[o.Key] = o.Value
		}
		all = append(all, p)
	}
	if s.Global.JSON {
		return s.IO.PrintJSON(struct {
			Sweep string    `json:"sweep"`
			Runs  []planned `json:"runs"`
		}{s.plan.Name, all})
	}
	for i, r := range s.runs {
		var keys []string
		for _, o := range r.Keys {
			keys = append(keys, o.Key+"="+o.Value)
		}
		fmt.Fprintf(s.IO.Out, "%d/%d  %s  %s  %s\n", i+1, len(s.runs), r.Name, all[i].Status, cmp.Or(strings.Join(keys, " "), "as the config is"))
	}
	_, err := fmt.Fprintf(s.IO.Out, "%d runs, nothing was trained\n", len(s.runs))
	return err
}

// lastFile is the file of a run's last checkpoint.
var lastFile = train.Last + ".safetensors"
