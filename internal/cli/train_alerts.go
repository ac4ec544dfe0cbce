package cli

import (
	"fmt"
	"strconv"

	"diffuse/internal/condition"
	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/notify"
	"diffuse/internal/run"
	"diffuse/internal/train"
)

// alerts are what a run tells whom, and what ends it.
type alerts struct {
	when    []condition.Condition
	targets []notify.Target
	until   *condition.Condition // nil for none
}

// newAlerts reads --until and the config's notify section. What cannot be is
// refused; a rule that this config cannot meet is not, for a list of rules may
// serve many configs.
func newAlerts(o *TrainOptions, r *config.Resolved) (a alerts, err error) {
	if o.Until != "" {
		if a.until, err = parseUntil(o.Until, &r.Config); err != nil {
			return a, err
		}
	}
	if a.when, a.targets, err = notify.Rules(r.Notify, o.Global.env, o.Global.lookup); err != nil {
		return a, err
	}
	for _, c := range a.when {
		if err := notify.Possible(c, &r.Config); err != nil {
			o.Global.Log.Warn("an alert that never comes: "+err.Error(), "hint", fault.Hint(err))
		}
	}
	return a, nil
}

// parseUntil reads the condition that ends a run of a config.
func parseUntil(text string, of *config.Config) (*condition.Condition, error) {
	c, err := condition.Parse(text)
	if err == nil && c.Word != "" {
		err = fmt.Errorf("%q: must be a comparison, such as \"valid_loss < 0.03\"", text)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "diffuse train --until 'valid_loss < 0.03'", "--until: %w", err)
	}
	if err := notify.Possible(c, of); err != nil {
		return nil, fault.New(fault.Usage, "", "--until: %w", err)
	}
	return &c, nil
}

// notifier watches a run and tells those who hear of alerts.
func (t *training) notifier(folder run.Folder, told ...train.Observer) *notify.Notifier {
	return notify.New(notify.Setup{Folder: folder, When: t.when, Until: t.until, Targets: t.targets, Told: told})
}

// ending is how an attempt ended without an error.
type ending struct {
	status run.Status
	until  *condition.Condition // nil for none
	last   *float64             // value of its metric; nil where there was none
	step   int
}

// missed is the error of a run that was to end earlier; nil for any other.
func (e ending) missed(folder run.Folder) error {
	if e.status != run.Missed {
		return nil
	}
	return fault.New(fault.Missed, "train longer (--epochs), or until something easier", "run %s ended at step %d without meeting %s: %s", folder.Name, e.step, e.until, e.lastValue())
}

func (e ending) lastValue() string {
	if e.last == nil {
		return "there was no " + e.until.Metric
	}
	return fmt.Sprintf("the last %s was %s", e.until.Metric, strconv.FormatFloat(*e.last, 'g', 6, 64))
}
