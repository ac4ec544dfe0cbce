package cli

import (
	"context"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/judge"
	"diffuse/internal/machine"
	"diffuse/internal/model"
	"diffuse/internal/notify"
	"diffuse/internal/run"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"
	"diffuse/internal/train"
)

// training is all that a run needs before it has a folder: nothing is written
// until each of these could be made.
type training struct {
	o        *TrainOptions
	config   *config.Resolved
	schedule *schedule.Schedule
	images   *dataset.Set
	valid    *dataset.Set
	net      model.Net
	contract train.Contract
	from     *run.Weights // what the net begins with; nil where that is random
	silent   bool         // no progress is shown
	judge    *judge.Judge // nil where nothing is scored
	alerts
}

// newTraining opens the data and builds the net; initialise says whether the
// net gets its first weights, or will get those of a checkpoint.
func newTraining(o *TrainOptions, r *config.Resolved, initialise bool) (*training, error) {
	t := &training{o: o, config: r, silent: o.Global.Quiet}
	var err error
	if t.alerts, err = newAlerts(o, r); err != nil {
		return nil, err
	}
	if t.schedule, err = schedule.New(r.Schedule); err != nil {
		return nil, err
	}
	if t.images, err = openImages(o.Global, r, dataset.Train, r.Data.Train); err != nil {
		return nil, err
	}
	if t.valid, err = openImages(o.Global, r, dataset.Test, r.Data.Valid); err != nil {
		return nil, err
	}
	images := imagesOf(&r.Config, t.images)
	if err := fitsMemory(&r.Config, images, machine.Memory()); err != nil {
		return nil, err
	}
	if t.net, err = model.New(r.Model, images, true, kernelsIn(r.Train.Precision)); err != nil {
		return nil, fault.New(fault.Usage, "diffuse config show "+o.Config, "%w", err)
	}
	t.contract = train.NewContract(&r.Config, t.images.C, len(t.images.Classes))
	if err := t.checkSample(); err != nil {
		return nil, err
	}
	if initialise {
		err = t.initialise()
	}
	return t, err
}

// checkSample refuses a sample section that the net could not draw by, rather than at
// the first grid.
func (t *training) checkSample() error {
	if !t.contract.Draws() {
		return nil
	}
	if err := t.contract.CheckGuidance(t.config.Sample); err != nil {
		return err
	}
	_, err := sample.New(t.config.Sample, t.schedule, t.contract.ClassNames())
	return err
}

// initialise gives the net its first weights: random ones, or those of train.from,
// averaged ones where there are some. Errors are of kind fault.Checkpoint.
func (t *training) initialise() error {
	from := t.config.Train.From
	if from == "" {
		t.net.Init(t.config.Train.Seed)
		return nil
	}
	_, c, err := openNet(t.o.Global, from, train.Last)
	if err != nil {
		return err
	}
	if err := c.Begins(&t.contract); err != nil {
		return err
	}
	average := c.AveragePath != ""
	if err := c.Begin(t.net, average, t.config.Train.Seed); err != nil {
		return err
	}
	hash, err := weightsHash(c, average)
	t.from = &run.Weights{Path: c.Path, Step: c.Step, SHA256: hash}
	t.o.Global.Log.Info("the net begins with other weights than random ones", "from", c.Path, "step", c.Step)
	return err
}

// imagesOf are a data set's images as a config's net takes them.
func imagesOf(c *config.Config, s *dataset.Set) model.Images {
	return model.Images{Size: c.Data.Size, Channels: s.C, Classes: len(s.Classes)}
}

// fitsMemory refuses to train a net whose weights, gradients and moments alone
// are larger than the machine's memory: the system would kill the process, or
// crawl. memory 0 is not known.
func fitsMemory(c *config.Config, images model.Images, memory int64) error {
	count := model.Count(c.Model, images)
	lanes := min(c.Train.Lanes, (c.Train.Batch+c.Train.MicroBatch-1)/c.Train.MicroBatch)
	const weightsAndMoments = 3
	need := int64(count) * 4 * int64(weightsAndMoments+lanes)
	if memory == 0 || need <= memory {
		return nil
	}
	return fault.New(fault.Failure, "narrow model.channels, or lower train.lanes", "a net of %s parameters takes more than %s to train, this machine has %s",
		thousands(count), machine.Bytes(need), machine.Bytes(memory))
}

// openImages reads the first n images of a split of a config's data set; n 0
// is all.
func openImages(g *Global, r *config.Resolved, split dataset.Split, n int) (*dataset.Set, error) {
	s, err := dataset.Open(r.Data.Set, g.Data, split)
	if err != nil {
		return nil, err
	}
	return s.Head(n), s.CheckSize(r.Data.Size)
}

// trainer is the loop over t; without a folder it saves nothing.
func (t *training) trainer(folder run.Folder) (*train.Trainer, error) {
	return train.New(train.Setup{
		Config: &t.config.Config, Net: t.net, Schedule: t.schedule,
		Train: t.images, Valid: t.valid, Kernels: kernelsIn(t.config.Train.Precision), Workers: t.o.Global.Workers,
		Dir: folder.Dir, Command: t.o.resumeCommand(folder),
	})
}

// resumeCommand is what to type to go on with a run.
func (o *TrainOptions) resumeCommand(folder run.Folder) string {
	command := "diffuse train --resume " + shellWord(folder.Name) + o.Global.runsFlag() + o.Global.dataFlag()
	if o.Until != "" {
		command += " --until " + shellWord(o.Until)
	}
	return command
}

// observers are those that hear of the run, in order: curves are drawn from
// the log, and the notifier may end the run.
func (t *training) observers(folder run.Folder, log *run.Log) ([]train.Observer, *notify.Notifier) {
	warn := &warner{t.o.Global.Log}
	notifier := t.notifier(folder, log, warn)
	grids := &run.Grids{
		Folder: folder, Config: &t.config.Config, Schedule: t.schedule,
		Shape: sample.Shape{H: t.config.Data.Size, W: t.config.Data.Size, C: t.images.C}, Workers: t.o.Global.Workers,
		Classes: t.contract.ClassNames(),
		Drawn:   []train.Observer{log, warn, notifier},
	}
	all := []train.Observer{log, warn}
	if !t.silent {
		all = append(all, newProgress(t.o.IO))
	}
	all = append(all, run.Curves{Folder: folder}, grids)
	if t.judge != nil {
		all = append(all, &run.Scores{
			Config: &t.config.Config, Schedule: t.schedule, Shape: grids.Shape, Classes: grids.Classes, Workers: grids.Workers, Net: t.net, Judge: t.judge, Told: grids.Drawn,
		})
	}
	return append(all, notifier), notifier
}

// prepareScores makes the judge of a run that is scored while it trains.
func (t *training) prepareScores(ctx context.Context) (err error) {
	if t.config.Eval.Every == 0 || t.config.Model.Kind != config.UNet {
		return nil
	}
	o := defaultJudge(t.o.Global)
	t.judge, err = o.judge(ctx, t.o.IO, t.o.Global, t.config.Data.Set)
	return err
}

// close lets go of what prepareScores took.
func (t *training) close() {
	if t.judge != nil {
		t.judge.Close()
	}
}
