package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/nearest"
)

// NewData is `diffuse data`, which fetches, verifies and shows data sets.
func NewData(stdio *IO, g *Global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Fetch, verify and show data sets",
		Long: help(`Fetch, verify and show data sets: fashion-mnist, cifar-10, and fashion-extract,
which is part of the program.

They live in the folder that --data or DIFFUSE_DATA names, else in ./data.`,
			fault.Data, fault.Interrupted),
		Example: `  diffuse data fetch fashion-mnist
  diffuse data verify
  diffuse data show fashion-extract --out clothes.png`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDataFetch(stdio, g), newDataVerify(stdio, g), newDataShow(stdio, g))
	return cmd
}

// completeSets offers the names of data sets.
func completeSets(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return dataset.Names(), cobra.ShellCompDirectiveNoFileComp
}

// completeFetched offers what can be fetched.
func completeFetched(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return fetchable(), cobra.ShellCompDirectiveNoFileComp
}

// fetchable are the names of data sets, and Inception.
func fetchable() []string { return append(dataset.Names(), dataset.Inception) }

// checkSets refuses names that are not known, before anything is done.
func checkSets(names, known []string) error {
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fault.New(fault.Usage, "the data sets are "+strings.Join(known, ", "),
				"there is no data set %q%s", name, didYouMean("", nearest.Name(name, known)))
		}
	}
	return nil
}
