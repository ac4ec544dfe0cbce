package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestEveryCommandIsDocumented: each has an example of itself, its exit codes,
// and a line for each flag; those on top stand in a group.
func TestEveryCommandIsDocumented(t *testing.T) {
	stdio, _, _, _ := Test()
	root := Root(stdio)
	root.InitDefaultHelpCmd()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if !strings.Contains(cmd.Example, path) {
			t.Errorf("%s: no example", path)
		}
		if !strings.Contains(cmd.Long, "\n\nEXIT STATUS\n") {
			t.Errorf("%s: no EXIT STATUS", path)
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q", path, cmd.Short)
		}
		if cmd.Parent() == root && cmd.GroupID == "" {
			t.Errorf("%s: no group", path)
		}
		if cmd.Args == nil && cmd.Name() != "help" && !strings.Contains(cmd.Use, "...") {
			t.Errorf("%s: takes any arguments", path)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: help %q", path, f.Name, f.Usage)
			}
		})
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(root)
}

// execute runs the program on buffers.
func execute(env []string, args ...string) (code int, out, errOut string) {
	stdio, _, o, e := Test()
	stdio.Env = env
	code = Execute(stdio, args)
	return code, o.String(), e.String()
}

func TestGlobalOptions(t *testing.T) {
	env := []string{"DIFFUSE_RUNS=from-env", "DIFFUSE_DATA=/data", "DIFFUSE_DEVICE=cpu", "DIFFUSE_KERNELS=portable", "DIFFUSE_WORKERS=3"}
	for _, c := range []struct {
		args []string
		want Global
	}{
		{nil, Global{Runs: "from-env", Data: "/data", Device: "cpu", Kernels: "portable", Workers: 3}},
		{[]string{"--runs=r", "--data=d", "--device=auto", "--kernels=auto", "--workers=2", "-v", "--json"},
			Global{Runs: "r", Data: "d", Device: "auto", Kernels: "auto", Workers: 2, Verbose: true, JSON: true}},
	} {
		stdio, _, _, _ := Test()
		stdio.Env = env
		g := &Global{}
		root := newRoot(stdio, g)
		root.SetArgs(append([]string{"version"}, c.args...))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		ignore := cmp.Options{cmpopts.IgnoreFields(Global{}, "Log"), cmpopts.IgnoreUnexported(Global{})}
		if diff := cmp.Diff(&c.want, g, ignore); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.args, diff)
		}
	}
}

func TestDefaultRunsFolder(t *testing.T) {
	stdio, _, _, _ := Test()
	g := &Global{}
	newRoot(stdio, g)
	if g.Runs != "runs" || g.Data != "" || g.Device != "auto" {
		t.Errorf("%+v", g)
	}
}

func TestErrorsAsJSON(t *testing.T) {
	code, out, errOut := execute(nil, "config", "check", "no.yaml", "--json")
	if code != 2 || out != "" {
		t.Errorf("code %d, stdout %q", code, out)
	}
	var e struct {
		Error, Hint string
		Code        int
	}
	if err := json.Unmarshal([]byte(errOut), &e); err != nil {
		t.Fatalf("%v in %q", err, errOut)
	}
	if e.Code != 2 || e.Error == "" || e.Hint == "" {
		t.Errorf("%+v", e)
	}
}

func TestHelpOfNoCommand(t *testing.T) {
	code, out, errOut := execute(nil, "help", "config", "shwo")
	if code != 2 || out != "" || !strings.Contains(errOut, "did you mean show?") {
		t.Errorf("code %d, stdout %q, stderr %q", code, out, errOut)
	}
	_, want, _ := execute(nil, "config", "show", "--help")
	code, got, _ := execute([]string{"DIFFUSE_WRONG=1"}, "help", "config", "show")
	if diff := cmp.Diff(want, got); code != 0 || diff != "" {
		t.Errorf("code %d (-want +got):\n%s", code, diff)
	}
}

func TestLog(t *testing.T) {
	for _, c := range []struct {
		verbose, quiet bool
		want           string
	}{
		{false, false, "level=INFO msg=saved file=x\nlevel=ERROR msg=\"disk full\"\n"},
		{false, true, "level=ERROR msg=\"disk full\"\n"},
	} {
		stdio, _, _, errOut := Test()
		log := logger(stdio.Err, c.verbose, c.quiet)
		log.Debug("detail")
		log.Info("saved", "file", "x")
		log.Error("disk full")
		if got := errOut.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
