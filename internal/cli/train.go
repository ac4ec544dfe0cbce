package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"diffuse/internal/condition"
	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/notify"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// TrainOptions are the options of diffuse train.
type TrainOptions struct {
	IO        *IO
	Global    *Global
	Config    string
	Name      string
	Resume    string
	DryRun    bool
	Until     string            // the condition that ends the run; empty is none
	Overrides []config.Override // from the shortcuts below

	rerunOf string      // the run that this one repeats
	series  string      // the sweep or recipe that this one belongs to
	again   *run.Folder // of a run that was stopped before its first checkpoint: it begins anew there
}

// trainShortcuts are flags that set a key of the config.
var trainShortcuts = map[string]string{
	"epochs": "train.epochs", "steps": "train.steps", "batch": "train.batch",
	"lr": "train.lr", "seed": "train.seed", "from": "train.from",
}

// NewTrain is `diffuse train`.
func NewTrain(stdio *IO, g *Global) *cobra.Command {
	o := &TrainOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train a net",
		Long: help(`Train a net as a config says. The run gets a folder of its own:

  config.yaml           the resolved config
  log.jsonl             each step and epoch, one JSON object a line
  last, best            .safetensors: the weights after the last epoch, and after
                        the one with the lowest validation loss; beside them
                        .ema.safetensors, their moving average, where it is on,
                        and .state.safetensors, what resuming needs
  samples/              a grid of samples each epoch, from the same seeds; on the
                        right those of the moving average
  curves.png            losses and learning rate

Ctrl-C saves. A run that is resumed goes on bit for bit, with any number of
workers. --until ends a run that is good enough: it saves, and the exit code
tells whether the condition was met. Who is told of what stands in the config's
notify section. --from begins with the weights of another run, a file, or the net
in the binary, in place of random ones; a larger model.mid_extra than theirs deepens
that net by blocks which change nothing at first. --dry-run takes one step, says
what the run would cost and writes nothing.`, fault.Data, fault.Checkpoint, fault.Diverged, fault.Missed, fault.Interrupted),
		Example: `  diffuse train                          # quick.yaml: two minutes on two cores
  diffuse train --config fashion.yaml --data ~/data --name clothes
  diffuse train --config fashion.yaml --set train.ema=0.999 --epochs 5
  diffuse train --config cifar10.yaml --dry-run
  diffuse train --config fashion-best.yaml --from fashion-best --epochs 2 --lr 3e-4
  diffuse train --until 'valid_loss < 0.03'
  diffuse train --resume clothes`,
		Args: noArguments("--config"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Overrides = FlagOverrides(cmd.Flags(), trainShortcuts)
			return trainRun(cmd.Context(), o)
		},
	}
	AddConfigFlag(cmd, &o.Config)
	g.AddSetFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "", "the run's `name`; without it a readable one is made up")
	f.StringVar(&o.Resume, "resume", "", "go on with a `run`, by name or path")
	f.StringVar(&o.Until, "until", "", "end when a `condition` is met, such as 'fid < 4'; with another end the exit code is 6")
	f.BoolVar(&o.DryRun, "dry-run", false, "take one step, say what the run would cost, write nothing")
	f.Int("epochs", 0, "passes over the training images (key train.epochs)")
	f.Int("steps", 0, "end after so many optimizer steps (key train.steps)")
	f.Int("batch", 0, "images a step (key train.batch)")
	f.Float64("lr", 0, "highest learning rate (key train.lr)")
	f.String("from", "", "begin with the weights of this `run or file` (key train.from)")
	f.Int64("seed", 0, "seed of weights, shuffling, timesteps and noise (key train.seed)")
	cmd.MarkFlagsMutuallyExclusive("resume", "config")
	cmd.MarkFlagsMutuallyExclusive("resume", "name")
	cmd.MarkFlagsMutuallyExclusive("resume", "dry-run")
	must(cmd.RegisterFlagCompletionFunc("resume", completeRuns(g)))
	must(cmd.RegisterFlagCompletionFunc("from", completeRuns(g)))
	complete(cmd, "until", condition.Metrics...)
	return cmd
}

func trainRun(ctx context.Context, o *TrainOptions) error {
	switch {
	case o.DryRun:
		return trainDry(ctx, o)
	case o.Resume != "":
		return trainResume(ctx, o)
	}
	r, err := o.Global.LoadConfig(o.Config, o.Overrides...)
	if err != nil {
		return err
	}
	t, err := newTraining(o, r, true)
	if err != nil {
		return err
	}
	return t.begin(ctx)
}

// begin trains a run from its first step.
func (t *training) begin(ctx context.Context) error {
	if err := t.prepareScores(ctx); err != nil {
		return err
	}
	defer t.close()
	folder, lock, err := t.makeFolder()
	if err != nil {
		return err
	}
	defer lock.Release()
	return t.run(ctx, folder, false)
}

// makeFolder makes the run's folder, or takes the one it has.
func (t *training) makeFolder() (run.Folder, *run.Lock, error) {
	if again := t.o.again; again != nil {
		lock, err := again.Restart(t.config.YAML())
		return *again, lock, err
	}
	return run.Create(t.o.Global.Runs, t.o.Name, t.config.Name, t.config.YAML())
}

// trainResume goes on with a run, under its own config.
func trainResume(ctx context.Context, o *TrainOptions) error {
	folder, err := run.Find(o.Global.Runs, o.Resume)
	if err != nil {
		return err
	}
	r, err := resumedConfig(o, folder)
	if err != nil {
		return err
	}
	t, err := newTraining(o, r, false)
	if err == nil {
		err = t.prepareScores(ctx)
	}
	if err != nil {
		return err
	}
	defer t.close()
	lock, err := folder.Lock()
	if err != nil {
		return err
	}
	defer lock.Release()
	return t.run(ctx, folder, true)
}

// run trains in folder, tells the observers and reports.
func (t *training) run(ctx context.Context, folder run.Folder, resume bool) error {
	trainer, err := t.trainer(folder)
	if err != nil {
		return err
	}
	defer trainer.Close()
	if resume {
		if err := trainer.Resume(); err != nil {
			return err
		}
		// Only now: a config that the checkpoint refuses must not replace its own.
		if err := folder.WriteConfig(t.config.YAML()); err != nil {
			return err
		}
	}
	origin, err := t.origin(ctx, folder, trainer.Step)
	if err != nil {
		return err
	}
	log, err := run.OpenLog(folder, origin)
	if err != nil {
		return err
	}
	defer log.Close()
	observers, notifier := t.observers(folder, log)
	trainer.Observers = observers
	began := time.Now()
	t.o.Global.Log.Info("training", "run", folder.Name, "parameters", t.net.Params().Count(), "from_step", trainer.Step)
	end, err := t.attempt(ctx, trainer, log, notifier)
	if err != nil {
		return err
	}
	if end.status == run.Reached { // within an epoch, which would have ended with them
		if err := (run.Curves{Folder: folder}).Draw(); err != nil {
			return err
		}
	}
	if err := t.report(folder, end, trainer.Progress, time.Since(began)); err != nil {
		return err
	}
	return end.missed(folder)
}

// attempt trains, and tells log and notifier how that ended.
func (t *training) attempt(ctx context.Context, trainer *train.Trainer, log *run.Log, notifier *notify.Notifier) (end ending, err error) {
	returned := false
	tell := func(err error) error {
		told := notifier.Ended(ctx, endOf(err, notifier), trainer.Step, err)
		return errors.Join(told, notifier.Close(ctx))
	}
	defer func() {
		if !returned { // a panic: the process is about to end
			_ = tell(errors.New("a panic")) // nobody is left to be told of another error
		}
	}()
	err = trainer.Run(ctx)
	returned = true
	if ended := log.End(trainer.Step, endOf(err, notifier), err); err == nil {
		err = ended
	}
	end = ending{endOf(err, notifier), t.until, notifier.Last(), trainer.Step}
	if told := tell(err); err == nil {
		err = told
	}
	return end, err
}

// endOf is how a run that ended with err stands.
func endOf(err error, n *notify.Notifier) run.Status {
	switch fault.Kind(fault.Code(err)) {
	case 0:
		return n.End()
	case fault.Interrupted:
		return run.Interrupted
	case fault.Diverged:
		return run.Diverged
	}
	return run.Failed
}
