package notify

import (
	"net/url"

	"diffuse/internal/condition"
	"diffuse/internal/config"
	"diffuse/internal/fault"
)

// Rules are what a config wants to be told, and Targets whom. lookup finds a
// variable of env, which commands get. Errors are of kind fault.Usage and show no
// webhook.
func Rules(c config.Notify, env []string, lookup func(name string) string) (when []condition.Condition, targets []Target, err error) {
	for _, text := range c.When {
		rule, err := condition.Parse(text)
		if err != nil {
			return nil, nil, fault.New(fault.Usage, "", "notify.when: %w", err)
		}
		when = append(when, rule)
	}
	if c.Webhook != "" {
		address, err := config.Expand(c.Webhook, lookup)
		if err != nil {
			return nil, nil, fault.New(fault.Usage, "set it, or train without: --set notify.webhook=", "notify.webhook: %w", err)
		}
		u, err := url.Parse(address)
		if err != nil || !config.IsWebhook(address) {
			return nil, nil, fault.New(fault.Usage, "", "notify.webhook is not the address of a host that takes http:// or https:// (it is not shown, for it may hold a secret)")
		}
		targets = append(targets, newWebhook(u, c.Form))
	}
	if c.Command != "" {
		targets = append(targets, &command{c.Command, env})
	}
	if len(when) == 0 && len(targets) > 0 { // told nothing, they would not be there
		when = []condition.Condition{{Word: condition.NaN}, {Word: condition.Finished}, {Word: condition.Crashed}}
	}
	return when, targets, nil
}

// Possible refuses a condition that no run of a config can meet, with the key to
// set. Errors are of kind fault.Usage.
func Possible(c condition.Condition, of *config.Config) error {
	classifier := of.Model.Kind == config.ResNet
	switch c.Metric {
	case "fid", "kid":
		if classifier {
			return fault.New(fault.Usage, "compare accuracy or valid_loss", "%s: a classifier draws no images that could be scored", c)
		}
		if of.Eval.Every == 0 {
			return fault.New(fault.Usage, "--set eval.every=1 scores each epoch", "%s: eval.every is 0, so that nothing is scored", c)
		}
	case "accuracy":
		if !classifier {
			return fault.New(fault.Usage, "compare fid or valid_loss", "%s: only a classifier (model.kind resnet) has an accuracy", c)
		}
	case "valid_loss_ema":
		if of.Train.EMA == 0 {
			return fault.New(fault.Usage, "--set train.ema=0.999, or compare valid_loss", "%s: train.ema is 0, so that there is no moving average", c)
		}
	}
	return nil
}
