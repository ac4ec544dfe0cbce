package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/fault"
)

// TestErrors: each wrong config gives one line that says where and what, and
// the exit code of a usage error.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
	}{
		// YAML itself
		{"empty", "", "my.yaml: the file is empty"},
		{"only a comment", "# nothing\n", "my.yaml: the file is empty"},
		{"syntax", "train:\n  lr: [1\n", "my.yaml:2:7: sequence end token ']' not found"},
		{"indentation", "train:\n  lr: 1\n   eps: 1\n", "my.yaml:2:7: "},
		{"tab", "train:\n\tlr: 1\n", "my.yaml:2:1: found character '\t' that cannot start any token"},
		{"duplicate key", "train:\n  lr: 1\n  lr: 2\n", `my.yaml:3:3: mapping key "lr" already defined at [2:3]`},
		{"duplicate section", "train: {lr: 1}\ntrain: {eps: 1}\n", `my.yaml:2:1: mapping key "train" already defined at [1:1]`},
		{"second document", "version: 1\n---\nversion: 1\n", "my.yaml:3:1: a config is one YAML document, this is a second one"},
		{"a list", "- 1\n", "my.yaml:1:1: a config must be a section of keys, such as \"lr: 1e-3\""},
		{"a word", "hello\n", "my.yaml:1:1: a config must be a section of keys, such as \"lr: 1e-3\""},
		{"anchor", "train:\n  lr: &x 1\n", "my.yaml:2:7: anchors, aliases and tags are not used in a config: write the value out"},
		{"tag", "train:\n  lr: !!str 1\n", "my.yaml:2:7: anchors, aliases and tags are not used in a config: write the value out"},
		{"merge", "train:\n  <<: {lr: 1}\n", `my.yaml:2:3: a key must be a plain name, got "<<"`},
		{"number as key", "1: 2\n", `my.yaml:1:1: a key must be a plain name, got "1"`},
		{"too large", strings.Repeat("# padding\n", 4000), "my.yaml: too large for a config (more than 32 KiB)"},

		// keys
		{"unknown key", "train:\n  lrr: 1\n", "my.yaml:2:3: unknown key train.lrr, did you mean train.lr?"},
		{"upper case", "train:\n  LR: 1\n", "my.yaml:2:3: unknown key train.LR, did you mean train.lr?"},
		{"wrong section", "model:\n  betamax: 1\n", "my.yaml:2:3: unknown key model.betamax, did you mean schedule.betamax?"},
		{"unknown section", "trian:\n  lr: 1\n", "my.yaml:1:1: unknown key trian, did you mean train?"},
		{"nothing near", "model:\n  colour_of_the_sky: 1\n", "my.yaml:2:3: unknown key model.colour_of_the_sky"},
		{"section without keys", "train: 3\n", "my.yaml:1:8: train must be a section of keys, such as \"lr: 1e-3\""},
		{"empty section", "train:\ndata: {size: 32}\n", "my.yaml:1:1: the section train is empty: leave it out or give it keys"},
		{"key as section", "train:\n  lr:\n    max: 1\n", "my.yaml:3:5: train.lr must be a number, got a section"},

		// versions
		{"newer version", "version: 2\nnew_key: 1\n", "my.yaml:1:10: this diffuse reads configs of version 1, this one is of version 2"},
		{"older version", "name: x\nversion: 0\n", "my.yaml:2:10: this diffuse reads configs of version 1, this one is of version 0"},
		{"version as a word", "version: one\n", `my.yaml:1:10: version must be a whole number, got "one"`},

		// types
		{"fraction", "train:\n  epochs: 3.7\n", "my.yaml:2:11: train.epochs must be a whole number, got 3.7"},
		{"fraction in a list", "model:\n  channels: [16, 3.7]\n", "my.yaml:2:13: model.channels must be a list whose item 2 is a whole number, got 3.7"},
		{"string for int", "train:\n  epochs: ten\n", `my.yaml:2:11: train.epochs must be a whole number, got "ten"`},
		{"quoted int", "train:\n  epochs: '3'\n", `my.yaml:2:11: train.epochs must be a whole number, got "3"`},
		{"bool for int", "train:\n  epochs: true\n", "my.yaml:2:11: train.epochs must be a whole number, got true"},
		{"hexadecimal", "train:\n  epochs: 0x10\n", `my.yaml:2:11: train.epochs must be a whole number, got "0x10"`},
		{"underscore", "train:\n  epochs: 1_0\n", `my.yaml:2:11: train.epochs must be a whole number, got "1_0"`},
		{"overflow", "train:\n  epochs: 9223372036854775808\n", "my.yaml:2:11: train.epochs must be a whole number of at most 64 bits, got 9223372036854775808"},
		{"string for float", "train:\n  lr: fast\n", `my.yaml:2:7: train.lr must be a number, got "fast"`},
		{"infinity", "train:\n  lr: .inf\n", `my.yaml:2:7: train.lr must be a number, got ".inf"`},
		{"nan", "train:\n  lr: .nan\n", `my.yaml:2:7: train.lr must be a number, got ".nan"`},
		{"too large a float", "train:\n  lr: 1e999\n", "my.yaml:2:7: train.lr must be a number that a float64 can hold, got 1e999"},
		{"list for float", "train:\n  lr: [1]\n", "my.yaml:2:7: train.lr must be a number, got a list"},
		{"nothing", "train:\n  lr:\n  eps: 1\n", "my.yaml:2:3: train.lr must be a number, got nothing"},
		{"number for string", "train:\n  optimizer: 3\n", "my.yaml:2:14: train.optimizer must be a string, got the number 3"},
		{"bool for string", "name: true\n", "my.yaml:1:7: name must be a string, got true"},
		{"number for bool", "data:\n  flip: 1\n", "my.yaml:2:9: data.flip must be true or false, got the number 1"},
		{"yes for bool", "data:\n  flip: yes\n", `my.yaml:2:9: data.flip must be true or false, got "yes"`},
		{"number for list", "model:\n  channels: 16\n", "my.yaml:2:13: model.channels must be a list, got the number 16"},
		{"string for list", "model:\n  channels: 16,32\n", `my.yaml:2:13: model.channels must be a list, got "16,32"`},
		{"three for a pair", "data:\n  range: [0, 1, 2]\n", "my.yaml:2:10: data.range must be a list of 2 values, got 3"},

		// ranges
		{"negative lr", "train:\n  lr: -1\n", "my.yaml:2:7: train.lr must be greater than 0, got -1"},
		{"endless epochs", "train:\n  epochs: 9223372036854775807\n", "my.yaml:2:11: train.epochs must be at most 1000000, got 9223372036854775807"},
		{"a micro-batch that overflows", "train:\n  micro_batch: 9223372036854775807\n", "my.yaml:2:16: train.micro_batch must be at most 4096, got 9223372036854775807"},
		{"images without end", "sample:\n  n: 100000000000\n", "my.yaml:2:6: sample.n must be at most 1000000, got 100000000000"},
		{"range beyond float32", "data:\n  range: [-1e308, 1e308]\n", "my.yaml:2:10: data.range[0] must be at least -1000000, got -1e+308"},
		{"zero epochs", "train:\n  epochs: 0\n", "my.yaml:2:11: train.epochs must be at least 1, got 0"},
		{"beta of one", "schedule:\n  betamax: 1\n", "my.yaml:2:12: schedule.betamax must be less than 1, got 1"},
		{"too many steps", "schedule:\n  steps: 100001\n", "my.yaml:2:10: schedule.steps must be at most 100000, got 100001"},
		{"no channels", "model:\n  channels: []\n", "my.yaml:2:13: model.channels must have at least 1 values, got 0"},
		{"zero channels", "model:\n  channels: [16, 0]\n", "my.yaml:2:13: model.channels[1] must be at least 1, got 0"},
		{"beta2", "train:\n  betas: [0.9, 1]\n", "my.yaml:2:10: train.betas[1] must be less than 1, got 1"},
		{"unknown name", "train:\n  optimizer: adamww\n", `my.yaml:2:14: train.optimizer must be one of adam, adamw, muon, got "adamww", did you mean adamw?`},
		{"precision", "train:\n  precision: fp16\n", `my.yaml:2:14: train.precision must be one of fp32, bf16, got "fp16", did you mean fp32?`},
		{"sampler", "sample:\n  sampler: heunn\n", `my.yaml:2:12: sample.sampler must be one of ddpm, ddim, skip, sample_at, ddim_cosine, euler, euler_ancestral, heun, lms, dpmpp_2m, got "heunn", did you mean heun?`},
		{"spacing", "sample:\n  spacing: karas\n", `my.yaml:2:12: sample.spacing must be one of auto, leading, trailing, linspace, quadratic, karras, got "karas", did you mean karras?`},
		{"order", "sample:\n  order: 5\n", "my.yaml:2:10: sample.order must be at most 4, got 5"},
		{"no order", "sample:\n  order: 0\n", "my.yaml:2:10: sample.order must be at least 1, got 0"},
		{"churn", "sample:\n  churn: -1\n", "my.yaml:2:10: sample.churn must be at least 0, got -1"},
		{"path as a name", "name: ../x\n", `my.yaml:1:7: name must be at most 64 letters, digits, '.', '_' and '-', and begin with a letter or digit, got "../x"`},

		// values that do not fit each other
		{"range", "data:\n  range: [1, 1]\n", "my.yaml:2:10: data.range must be two increasing values, got [1 1]"},
		{"size below the images'", "data:\n  size: 24\n", "my.yaml:2:9: data.size must be at least 28, the size of fashion-mnist's images, got 24"},
		{"size below CIFAR's", "data:\n  set: cifar-10\n  size: 28\n", "my.yaml:3:9: data.size must be at least 32, the size of cifar-10's images, got 28"},
		{"size that halves badly", "data:\n  size: 28\n", "my.yaml:2:9: data.size must be a multiple of 8, since model.channels has 4 levels and each but the last halves it, got 28"},
		{"betas", "schedule:\n  betamin: 0.5\n", "my.yaml: schedule.betamax must be at least schedule.betamin (0.5), got 0.02"},
		{"continuous", "schedule:\n  continuous: true\n", "my.yaml:2:15: schedule.continuous needs schedule.kind cosine, which is linear"},
		{"attention", "model:\n  attention: [true]\n", "my.yaml:2:14: model.attention must have a value for each of the 4 levels of model.channels, got 1"},
		{"groups", "model:\n  groups: 64\n", "my.yaml:2:11: model.groups must divide all of model.channels, but 64 does not divide 32"},
		{"head", "model:\n  head_dim: 96\n", "my.yaml:2:13: model.head_dim must divide the channels of every level that attends, the last one included, but 96 does not divide 64"},
		{"head at the mid block", "model:\n  channels: [24]\n  attention: [false]\n  head_dim: 16\n", "my.yaml:4:13: model.head_dim must divide the channels of every level that attends, the last one included, but 16 does not divide 24"},
		{"steps", "sample:\n  steps: 1001\n", "my.yaml:2:10: sample.steps must be at most schedule.steps (1000), got 1001"},
		{"one of lognormal", "train:\n  sigma_lognormal: [1]\n", "my.yaml:2:20: train.sigma_lognormal must be empty or a mean and a deviation above 0, got [1]"},
		{"lognormal", "train:\n  sigma_lognormal: [-1, 0]\n", "my.yaml:2:20: train.sigma_lognormal must be empty or a mean and a deviation above 0, got [-1 0]"},
		{"one clip", "sample:\n  clip: [1]\n", "my.yaml:2:9: sample.clip must be empty or two increasing values, got [1]"},
		{"sigmas", "sample:\n  sigma_range: [80, 0.002]\n", "my.yaml:2:16: sample.sigma_range must be empty or two increasing values, got [80 0.002]"},
		{"guided sigmas", "sample:\n  guidance_sigma: [3, 3]\n", "my.yaml:2:19: sample.guidance_sigma must be empty or two increasing values, got [3 3]"},
		{"clip", "sample:\n  clip: [1, -1]\n", "my.yaml:2:9: sample.clip must be empty or two increasing values, got [1 -1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.text, LoadOptions{})
			if err == nil {
				t.Fatal("no error")
			}
			if got := err.Error(); got != c.want && !(strings.HasSuffix(c.want, ": ") && strings.HasPrefix(got, c.want)) {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
			if fault.Code(err) != 2 {
				t.Errorf("exit code %d", fault.Code(err))
			}
		})
	}
}

// TestOverrideErrors: the same for the command line and variables.
func TestOverrideErrors(t *testing.T) {
	for _, c := range []struct {
		o    LoadOptions
		want string
	}{
		{LoadOptions{Set: []string{"train.lr"}}, `--set: "train.lr" has no value, write key=value`},
		{LoadOptions{Set: []string{"train.lr="}}, "--set: train.lr must be a number, got nothing"},
		{LoadOptions{Set: []string{"train.lrr=1"}}, "--set: unknown key train.lrr, did you mean train.lr?"},
		{LoadOptions{Set: []string{"lr=1"}}, "--set: unknown key lr, did you mean train.lr?"},
		{LoadOptions{Set: []string{"=1"}}, "--set: unknown key "},
		{LoadOptions{Set: []string{"data=1"}}, "--set: data is a section, not a key: set one of data.set, data.size, data.range, data.flip, data.crop, data.train, data.valid"},
		{LoadOptions{Set: []string{"train.epochs=3.7"}}, "--set: train.epochs must be a whole number, got 3.7"},
		{LoadOptions{Set: []string{"model.channels=16,x"}}, `--set: model.channels must be a list whose item 2 is a whole number, got "x"`},
		{LoadOptions{Set: []string{"train.lr=-1"}}, "--set: train.lr must be greater than 0, got -1"},
		{LoadOptions{Set: []string{"version=2"}}, "--set: version must be 1, got 2"},
		{LoadOptions{Env: []string{"DIFFUSE_TRAIN_LR=x"}}, `DIFFUSE_TRAIN_LR: train.lr must be a number, got "x"`},
		{LoadOptions{Env: []string{"DIFFUSE_TRAIN_LRR=1"}}, "unknown variable DIFFUSE_TRAIN_LRR, did you mean DIFFUSE_TRAIN_LR?"},
		{LoadOptions{Env: []string{"DIFFUSE_RUN=x"}}, "unknown variable DIFFUSE_RUN, did you mean DIFFUSE_RUNS?"},
		{LoadOptions{Env: []string{"DIFFUSE_SAMPLE_CLIP=1"}}, "DIFFUSE_SAMPLE_CLIP: sample.clip must be empty or two increasing values, got [1]"},
		{LoadOptions{Flags: []Override{{"train.epochs", "0", "--epochs"}}}, "--epochs: train.epochs must be at least 1, got 0"},
	} {
		_, err := load(t, "version: 1\n", c.o)
		if err == nil {
			t.Errorf("no error, want %s", c.want)
			continue
		}
		if err.Error() != c.want {
			t.Errorf("\ngot  %s\nwant %s", err, c.want)
		}
		if fault.Code(err) != 2 {
			t.Errorf("%v: exit code %d", err, fault.Code(err))
		}
	}
}

func TestMissingFileNamesTheEmbeddedOnes(t *testing.T) {
	for name, want := range map[string]string{
		"fasion.yaml":  "config fasion.yaml: no such file, did you mean fashion.yaml?",
		"fashon":       "config fashon: no such file, did you mean fashion.yaml?",
		"a/qiuck.yaml": "config a/qiuck.yaml: no such file, did you mean quick.yaml?",
		"weather.yaml": "config weather.yaml: no such file",
	} {
		_, err := Load(LoadOptions{File: name, Dir: t.TempDir()})
		if err == nil || err.Error() != want {
			t.Errorf("\ngot  %v\nwant %s", err, want)
		}
		if fault.Code(err) != 2 || !strings.Contains(fault.Hint(err), "quick.yaml") {
			t.Errorf("%s: code %d, hint %q", name, fault.Code(err), fault.Hint(err))
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "my.yaml")
	if err := os.WriteFile(path, []byte("version: 1\n"), 0o200); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(path); err == nil {
		t.Skip("permissions do not bind this user")
	}
	if _, err := Load(LoadOptions{File: "my.yaml", Dir: dir}); fault.Code(err) != 2 {
		t.Errorf("code %d: %v", fault.Code(err), err)
	}
}
