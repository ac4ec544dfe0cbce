// Package cli holds the commands, one file each, and is the only place that
// prints. A command is its options, a New function that declares its flags, and
// a run function that works.
package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"diffuse/internal/fault"
)

// The groups that help lists commands in.
const (
	groupMain  = "main"
	groupLook  = "look"
	groupOther = "other"
)

// Root is the whole command tree on stdio.
func Root(stdio *IO) *cobra.Command { return newRoot(stdio, &Global{}) }

func newRoot(stdio *IO, g *Global) *cobra.Command {
	root := &cobra.Command{
		Use:   "diffuse",
		Short: "Train diffusion models on small images and draw with them",
		Long: help(`Train diffusion models on small images and draw with them, from YAML configs.

Values are taken from flags, else DIFFUSE_* variables, else the config file,
else defaults. Logs go to stderr, results to stdout.`,
			fault.Data, fault.Checkpoint, fault.Diverged, fault.Missed, fault.Interrupted),
		Example: `  diffuse train                    # two minutes on two cores, needs no data
  diffuse sample                   # draw with the net it trained
  diffuse config show fashion.yaml # the lesson's experiment`,
		Args:              unknownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true, // Execute prints them, with their hints
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true}, // NewCompletion has examples
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Name() == "help" || completes(cmd) {
				return nil // a wrong variable must not break the Tab key
			}
			if err := checkExclusive(cmd); err != nil {
				return err
			}
			return g.finish(cmd.Flags(), stdio)
		},
	}
	root.SetIn(stdio.In)
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	root.SetFlagErrorFunc(flagError)
	g.addFlags(root, stdio)
	root.AddGroup(
		&cobra.Group{ID: groupMain, Title: "Main commands:"},
		&cobra.Group{ID: groupLook, Title: "Look and measure:"},
		&cobra.Group{ID: groupOther, Title: "Other commands:"},
	)
	addTo(root, groupMain, NewTrain(stdio, g), NewSample(stdio, g), NewFID(stdio, g), NewKID(stdio, g), NewRecipe(stdio, g), NewSweep(stdio, g), NewRerun(stdio, g))
	addTo(root, groupLook, NewRuns(stdio, g), NewServe(stdio, g), NewReport(stdio, g), NewSchedule(stdio, g), NewData(stdio, g), NewConfig(stdio, g), NewCompareSamplers(stdio, g), NewStats(stdio, g), NewBench(stdio, g), NewExport(stdio, g))
	addTo(root, groupOther, NewVersion(stdio, g), NewCompletion(stdio))
	root.SetHelpCommand(NewHelp())
	root.SetHelpCommandGroupID(groupOther)
	return root
}

func addTo(root *cobra.Command, group string, cmds ...*cobra.Command) {
	for _, c := range cmds {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// completes says whether cmd serves the shell's completion.
func completes(cmd *cobra.Command) bool {
	return cmd.Name() == "completion" || strings.HasPrefix(cmd.Name(), cobra.ShellCompRequestCmd)
}

// help is a command's long help: its text, then the exit codes it can end with.
// Codes 0, 1 and 2 are everyone's.
func help(text string, kinds ...fault.Kind) string {
	means := map[fault.Kind]string{
		fault.Data:        "a data set is missing or damaged",
		fault.Checkpoint:  "a checkpoint is missing, damaged or of another net",
		fault.Diverged:    "training met non-finite numbers several steps in a row",
		fault.Missed:      "the run ended without meeting the condition of --until",
		fault.Interrupted: "interrupted by Ctrl-C",
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nEXIT STATUS\n", text)
	fmt.Fprintf(&b, "  %-4d%s\n", 0, "success")
	fmt.Fprintf(&b, "  %-4d%s\n", fault.Failure, "something broke while working: disk, memory, an op")
	fmt.Fprintf(&b, "  %-4d%s", fault.Usage, "a flag, variable, key or value is wrong; nothing was written")
	for _, k := range kinds {
		fmt.Fprintf(&b, "\n  %-4d%s", k, means[k])
	}
	return b.String()
}
