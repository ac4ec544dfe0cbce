package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
)

// NewConfig is `diffuse config`, which looks at configs.
func NewConfig(stdio *IO, g *Global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show and check configs",
		Long: help(`Show what a config resolves to, or check that it does.

A bare name is looked for in the working folder, then in ./configs, then among
the configs in the binary; .yaml may be left out.`),
		Example: `  diffuse config show fashion.yaml
  diffuse config check my.yaml`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShow(stdio, g), newConfigCheck(stdio, g))
	return cmd
}

// ConfigOptions are what both config commands need.
type ConfigOptions struct {
	IO     *IO
	Global *Global
	File   string
}

func newConfigShow(stdio *IO, g *Global) *cobra.Command {
	o := &ConfigOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Print a resolved config and where each value comes from",
		Long: help(`Print every key of a resolved config with its value and, behind it, where that
comes from: a flag, a variable, file:line:column, or the default. What is
printed is a config itself. Without FILE it prints the defaults.`),
		Example: `  diffuse config show fashion.yaml
  diffuse config show fashion.yaml --set train.lr=3e-4
  DIFFUSE_TRAIN_EPOCHS=3 diffuse config show quick --json`,
		Args:              arguments("a config FILE", 0, 1),
		ValidArgsFunction: beside(config.Embedded),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.File = args[0]
			}
			return configShowRun(o)
		},
	}
	g.AddSetFlag(cmd)
	return cmd
}

func configShowRun(o *ConfigOptions) error {
	r, err := o.Global.LoadConfig(o.File)
	if err != nil {
		return err
	}
	if !o.Global.JSON {
		_, err := o.IO.Out.Write(r.Annotated())
		return err
	}
	return o.IO.PrintJSON(resolvedJSON{r.File, r.Tree(), r.Source})
}

// resolvedJSON is the answer of config show --json.
type resolvedJSON struct {
	File   string                   `json:"file"`
	Config map[string]any           `json:"config"`
	Source map[string]config.Source `json:"source"`
}

func newConfigCheck(stdio *IO, g *Global) *cobra.Command {
	o := &ConfigOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check that a config is valid",
		Long: help(`Check that a config has no unknown key, wrong type or value out of range. The
first error is printed with its file, line and column.`),
		Example: `  diffuse config check my.yaml
  diffuse config check runs/quick-calm-otter/config.yaml`,
		Args:              arguments("a config FILE", 1, 1),
		ValidArgsFunction: beside(config.Embedded),
		RunE: func(_ *cobra.Command, args []string) error {
			o.File = args[0]
			return configCheckRun(o)
		},
	}
	g.AddSetFlag(cmd)
	return cmd
}

func configCheckRun(o *ConfigOptions) error {
	r, err := o.Global.LoadConfig(o.File)
	if err != nil {
		return err
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(struct {
			File  string `json:"file"`
			Valid bool   `json:"valid"`
		}{r.File, true})
	}
	if !o.Global.Quiet {
		_, err = fmt.Fprintf(o.IO.Out, "%s is a valid config\n", r.File)
	}
	return err
}
