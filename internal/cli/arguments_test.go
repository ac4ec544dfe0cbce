package cli

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/model"
)

// TestWrongUsageIsSaidPlainly: one line names what is wrong, one what to type.
func TestWrongUsageIsSaidPlainly(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct{ args, says, hint string }{
		{"train fashion.yaml", `train takes no argument, got "fashion.yaml"`, "diffuse train --config fashion.yaml"},
		{"bench infer x", `bench infer takes no argument, got "x"`, "diffuse bench infer --config x"},
		{"version x", `version takes no argument, got "x"`, "diffuse version --help"},
		{"config check", "config check needs a config FILE", "diffuse config check --help"},
		{"config show a b", `config show takes one argument, a config FILE; got also "b"`, "--help"},
		{"data show", "data show needs the NAME of a data set", "--help"},
		{"completion", "completion needs a shell: bash, zsh, fish or powershell", "--help"},
		{"completion tcsh", `no completion for "tcsh": the shells are bash, zsh, fish, powershell`, "--help"},
		{"train --resume a --config b", "--config and --resume exclude each other", "diffuse train --help"},
		{"version -v -q", "--quiet and --verbose exclude each other", "--help"},
		{"train --epochs two", `--epochs: must be a whole number, got "two"`, "--help"},
		{"train --lr fast", `--lr: must be a number, got "fast"`, "--help"},
		{"train --seed 9223372036854775808", `--seed: must be a number of at most 64 bits, got "9223372036854775808"`, "--help"},
		{"version --json=perhaps", `--json: must be true or false, got "perhaps"`, "--help"},
		{"train --config fashion --data gone", "gone/fashion-mnist does not hold fashion-mnist", "diffuse data fetch fashion-mnist --data \"gone\""},
		{"sample gone.safetensors", "there is no file gone.safetensors", "diffuse sample RUN"},
	} {
		code, out, errOut := execute(nil, strings.Fields(c.args)...)
		want := fault.Usage
		switch {
		case strings.HasPrefix(c.args, "sample"):
			want = fault.Checkpoint
		case strings.Contains(c.args, "--data"):
			want = fault.Data
		}
		first, hint, _ := strings.Cut(errOut, "\n")
		if code != int(want) || out != "" || first != "diffuse: "+c.says || !strings.Contains(hint, c.hint) {
			t.Errorf("%s: code %d, stdout %q, stderr %q", c.args, code, out, errOut)
		}
	}
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{
		"runs/quick-calm-otter": "runs/quick-calm-otter", "my runs": "'my runs'", "it's": `'it'\''s'`, "": "''", "$HOME": "'$HOME'",
	} {
		if got := shellWord(word); got != want {
			t.Errorf("%q is written %s, want %s", word, got, want)
		}
	}
}

// TestCommandsToTypeRepeatFolders: flags that a command needs again, and only those.
func TestCommandsToTypeRepeatFolders(t *testing.T) {
	for _, c := range []struct {
		g    Global
		want string
	}{
		{Global{Runs: "runs"}, ""},
		{Global{Runs: "my runs", Data: "/srv/data"}, " --runs 'my runs' --data /srv/data"},
		{Global{Runs: "r", Data: "d", env: []string{"DIFFUSE_RUNS=r", "DIFFUSE_DATA=d"}}, ""},
		{Global{Runs: "runs", env: []string{"DIFFUSE_RUNS=r"}}, " --runs runs"},
	} {
		if got := c.g.runsFlag() + c.g.dataFlag(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.g, got, c.want)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestResultsThatCannotBeWritten: no command succeeds whose result is lost.
func TestResultsThatCannotBeWritten(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range []string{"version", "version --json", "config show", "data verify fashion-extract", "schedule --out=", "completion bash", "train --help"} {
		stdio, _, _, errOut := Test()
		stdio.Out = fullDisk{}
		code := Execute(stdio, strings.Fields(args))
		if code != 1 || !strings.Contains(errOut.String(), "write the results: no space left") || !strings.Contains(errOut.String(), "make room") {
			t.Errorf("%s: code %d, %q", args, code, errOut)
		}
	}
}

func TestFitsMemory(t *testing.T) {
	c := config.Default()
	if err := fitsMemory(&c, model.Images{Size: 32, Channels: 1}, 0); err != nil {
		t.Errorf("memory that is not known: %v", err)
	}
	const count = 15_890_753 // the default net is the lesson's
	enough := int64(count) * 4 * (3 + 8)
	if err := fitsMemory(&c, model.Images{Size: 32, Channels: 1}, enough); err != nil {
		t.Errorf("memory that is enough: %v", err)
	}
	err := fitsMemory(&c, model.Images{Size: 32, Channels: 1}, enough-1)
	if _, ok := errors.AsType[*fault.Error](err); !ok || !strings.Contains(err.Error(), "15,890,753 parameters takes more than 699 MB") {
		t.Errorf("too little memory: %v", err)
	}
}

// TestDryRunDiverges: a first step that is not finite is an error, not a cost of
// NaN seconds.
func TestDryRunDiverges(t *testing.T) {
	out, _, err := trainCommand(t.Context(), t.TempDir(), withTiny("--dry-run", "--batch", "4", "--lr", "1e38")...)
	if fault.Code(err) != int(fault.Diverged) || out != "" || fault.Hint(err) == "" {
		t.Errorf("code %d, stdout %q: %v", fault.Code(err), out, err)
	}
}
