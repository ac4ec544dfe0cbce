package train

import (
	"time"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/profile"
	"diffuse/internal/schedule"
	"diffuse/internal/team"
)

// maxNonFinite steps in a row without a finite loss and gradient end a run.
const maxNonFinite = 3

// Setup is what a run is made of.
type Setup struct {
	Config    *config.Config
	Net       model.Net // with its initial weights
	Schedule  *schedule.Schedule
	Train     *dataset.Set
	Valid     *dataset.Set
	Kernels   *kernel.Set
	Workers   int    // goroutines; at least 1
	Dir       string // where checkpoints go; empty writes none
	Command   string // that resumes the run, for hints
	Observers []Observer
	Profile   *profile.Profile // where steps are measured, beside what the net measures itself; nil for none
}

// Trainer trains a net.
type Trainer struct {
	Setup
	Progress
	contract      Contract
	stepsPerEpoch int
	total         int
	rate          Rate
	team          *team.Team
	crew          *crew
	gradient      *gradient
	optimizer     *optimizer
	training      feed
	validation    feed
	now           batch // of the present step
	order         []int // of the images in the epoch orderOf
	orderOf       int
	epochBegan    time.Time
	stop          bool // an observer asked for the end
}

// New prepares a run at its first step. Close frees what it holds.
func New(s Setup) (*Trainer, error) {
	c := s.Config
	if s.Train.N == 0 || s.Valid.N == 0 {
		return nil, fault.New(fault.Data, "", "data set %s has %d training and %d validation images; both are needed", s.Train.Name, s.Train.N, s.Valid.N)
	}
	s.Workers = max(1, s.Workers)
	t := &Trainer{Setup: s, contract: NewContract(c, s.Train.C, len(s.Train.Classes)), orderOf: -1}
	t.stepsPerEpoch, t.total = Length(c.Train, s.Train.N)
	var err error
	if t.rate, err = NewRate(c.Train, t.total); err != nil {
		return nil, err
	}
	params := s.Net.Params()
	micros := (min(c.Train.Batch, s.Train.N) + c.Train.MicroBatch - 1) / c.Train.MicroBatch
	lanes := min(c.Train.Lanes, micros)
	t.team = team.New(s.Workers)
	if t.crew, err = newCrew(s.Net, s.Kernels, t.team, c.Train.MicroBatch, objectiveOf(c)); err != nil {
		t.Close()
		return nil, err
	}
	t.gradient = newGradient(t.crew, params, lanes)
	t.crew.profile = s.Profile
	t.optimizer = newOptimizer(c.Train, s.Kernels, t.team, params)
	t.optimizer.profile = s.Profile
	t.training = training(c, s.Schedule, s.Train)
	t.validation = validation(c, s.Schedule, s.Valid)
	t.Seed, t.Data, t.Digest = c.Train.Seed, s.Train.Hash, digest(*c, t.total)
	t.KernelSet = s.Kernels.Name()
	return t, nil
}

// Close ends the goroutines that worked for the trainer.
func (t *Trainer) Close() { t.team.Close() }
