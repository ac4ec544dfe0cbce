package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"diffuse/internal/dataset"
	"diffuse/internal/fault"
)

// DataVerifyOptions are the options of diffuse data verify.
type DataVerifyOptions struct {
	IO     *IO
	Global *Global
	Names  []string // empty: those whose folder is there, and the extract
}

func newDataVerify(stdio *IO, g *Global) *cobra.Command {
	o := &DataVerifyOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "verify [NAME...]",
		Short: "Check the files of data sets",
		Long: help(`Check data sets, or all that are there where none is named: compare their files
with the official hashes, read every image, and count the images of each class.

Damaged and missing files end with status 3. Files that are whole but not the
authors' own, such as shortened batches, are reported as not official.`, fault.Data),
		Example: `  diffuse data verify
  diffuse data verify cifar-10 --data /srv/data --json`,
		ValidArgsFunction: completeSets,
		RunE: func(_ *cobra.Command, args []string) error {
			o.Names = args
			return dataVerifyRun(o)
		},
	}
	return cmd
}

// verifiedSet is a data set's part of the answer of data verify --json.
type verifiedSet struct {
	*dataset.Report
	Official bool `json:"official"`
}

func dataVerifyRun(o *DataVerifyOptions) error {
	if err := checkSets(o.Names, dataset.Names()); err != nil {
		return err
	}
	names := o.Names
	if len(names) == 0 {
		names = o.present()
	}
	verified := make([]verifiedSet, 0, len(names))
	for _, name := range names {
		r, err := dataset.Verify(name, o.Global.Data)
		if err != nil {
			return err
		}
		verified = append(verified, verifiedSet{r, r.Official()})
		if !o.Global.JSON {
			printReport(o.IO.Out, r)
		}
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(verified)
	}
	return nil
}

// present lists the data sets whose folder is there, and those that need none.
func (o *DataVerifyOptions) present() []string {
	var names []string
	for _, name := range dataset.Names() {
		_, downloaded := dataset.SourceOf(name)
		if _, err := os.Stat(dataset.Folder(o.Global.Data, name)); err == nil || !downloaded {
			names = append(names, name)
		}
	}
	return names
}

func printReport(w io.Writer, r *dataset.Report) {
	fmt.Fprintf(w, "%s: %d training and %d test images\n", r.Name, r.Train.Images, r.Test.Images)
	for _, f := range r.Files {
		how := "official"
		if !f.Official {
			how = "whole, but not the official file"
		}
		fmt.Fprintf(w, "  %s  %s  %s\n", f.Path, byteSize(f.Bytes), how)
	}
	fmt.Fprintf(w, "  train  a class %v  sha256 %s\n", r.Train.PerClass, r.Train.Hash)
	fmt.Fprintf(w, "  test   a class %v  sha256 %s\n", r.Test.PerClass, r.Test.Hash)
}
