package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/pretrained"
	"diffuse/internal/run"
)

// complete gives a flag a list of values, each with a description after a tab.
func complete(cmd *cobra.Command, flag string, values ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
}

// completeFolders makes a flag complete to folders only.
func completeFolders(cmd *cobra.Command, flag string) {
	must(cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}))
}

// beside offers names, such as config.Embedded, beside the files that are there.
func beside(names func() []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return names(), cobra.ShellCompDirectiveDefault
	}
}

// completeRuns offers the runs beside the files that are there.
func completeRuns(g *Global) cobra.CompletionFunc {
	return beside(func() []string { return run.Names(g.Runs) })
}

// completeNets offers the net in the binary as well.
func completeNets(g *Global) cobra.CompletionFunc {
	return beside(func() []string { return append(run.Names(g.Runs), pretrained.Name+"\tthe net in the binary") })
}

// completeKeys offers the schema's keys, then the values of one that has a list.
func completeKeys(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
	path, _, hasValue := strings.Cut(text, "=")
	var words []string
	for _, k := range config.Keys() {
		switch {
		case !hasValue:
			words = append(words, k.Path+"=\t"+k.Doc)
		case k.Path == path:
			for _, name := range k.Oneof {
				words = append(words, path+"="+name)
			}
		}
	}
	return words, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// completePrecision completes the flag --precision.
func completePrecision(cmd *cobra.Command) {
	complete(cmd, "precision", "fp32\t32-bit floating point", "bf16\tbfloat16 products, added in 32 bits")
}

// completeCheckpoint completes the flag --checkpoint.
func completeCheckpoint(cmd *cobra.Command) {
	complete(cmd, "checkpoint", "last", "best\tlowest validation loss", "best-fid\tlowest FID, of a run with eval.every")
}
