package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"diffuse/internal/dataset"
	"diffuse/internal/fault"
	"diffuse/internal/plot"
)

// DataShowOptions are the options of diffuse data show.
type DataShowOptions struct {
	IO     *IO
	Global *Global
	Name   string
	Out    string // empty: NAME-SPLIT.png
	N      int    // images of each class
	Split  string
}

func newDataShow(stdio *IO, g *Global) *cobra.Command {
	o := &DataShowOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Draw a contact sheet of a data set",
		Long: help(`Draw a contact sheet: a row for each class, in the order of the labels, with the
first images of the class. Pixels are exact. The classes and their counts are
printed.`, fault.Data),
		Example: `  diffuse data show fashion-extract
  diffuse data show cifar-10 --split test --n 20 --out cifar.png`,
		Args:              arguments("the NAME of a data set", 1, 1),
		ValidArgsFunction: completeSets,
		RunE: func(_ *cobra.Command, args []string) error {
			o.Name = args[0]
			return dataShowRun(o)
		},
	}
	cmd.Flags().StringVarP(&o.Out, "out", "o", "", "write the sheet to `FILE`.png (default NAME-SPLIT.png)")
	cmd.Flags().IntVarP(&o.N, "n", "n", 10, "images of each class")
	cmd.Flags().StringVar(&o.Split, "split", "train", "train or test")
	complete(cmd, "split", "train", "test")
	return cmd
}

// shownSet is the answer of data show --json.
type shownSet struct {
	Name     string       `json:"name"`
	Split    string       `json:"split"`
	Images   int          `json:"images"`
	Height   int          `json:"height"`
	Width    int          `json:"width"`
	Channels int          `json:"channels"`
	SHA256   string       `json:"sha256"`
	Classes  []shownClass `json:"classes"`
	Out      string       `json:"out"`
}

type shownClass struct {
	Label  int    `json:"label"`
	Name   string `json:"name"`
	Images int    `json:"images"`
}

// maxSheet bounds --n: a sheet of more columns is no picture to look at.
const maxSheet = 500

func dataShowRun(o *DataShowOptions) error {
	if err := checkSets([]string{o.Name}, dataset.Names()); err != nil {
		return err
	}
	split, ok := map[string]dataset.Split{"train": dataset.Train, "test": dataset.Test}[o.Split]
	if !ok {
		return fault.New(fault.Usage, "", "--split: must be train or test, got %q", o.Split)
	}
	if o.N < 1 || o.N > maxSheet {
		return fault.New(fault.Usage, "", "--n: must be from 1 to %d, got %d", maxSheet, o.N)
	}
	out := cmp.Or(o.Out, o.Name+"-"+o.Split+".png")
	if !strings.HasSuffix(out, ".png") {
		return fault.New(fault.Usage, "", "--out: %s must end in .png", out)
	}
	set, err := dataset.Open(o.Name, o.Global.Data, split)
	if err != nil {
		return err
	}
	if err := plot.WriteGrid(out, contactSheet(set, o.N), o.N); err != nil {
		return err
	}
	shown := describeSet(set, o.Split, out)
	if o.Global.JSON {
		return o.IO.PrintJSON(shown)
	}
	return printShown(o.IO.Out, shown)
}

// contactSheet is the first n images of each class, a class after another; where
// a class has fewer, black ones stand in.
func contactSheet(set *dataset.Set, n int) plot.Images {
	size := set.H * set.W * set.C
	sheet := plot.Images{N: len(set.Classes) * n, H: set.H, W: set.W, C: set.C}
	sheet.Pix = make([]uint8, sheet.N*size)
	taken := make([]int, len(set.Classes))
	for i, label := range set.Labels {
		if taken[label] < n {
			copy(sheet.Pix[(int(label)*n+taken[label])*size:], set.Pixels[i*size:(i+1)*size])
			taken[label]++
		}
	}
	return sheet
}

func describeSet(set *dataset.Set, split, out string) shownSet {
	shown := shownSet{Name: set.Name, Split: split, Images: set.N, Height: set.H, Width: set.W, Channels: set.C, SHA256: set.Hash, Out: out}
	for label, n := range set.PerClass() {
		shown.Classes = append(shown.Classes, shownClass{label, set.Classes[label], n})
	}
	return shown
}

func printShown(w io.Writer, s shownSet) error {
	fmt.Fprintf(w, "%s, %s: %d images of %dx%dx%d, sha256 %s\n", s.Name, s.Split, s.Images, s.Height, s.Width, s.Channels, s.SHA256)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "label\tclass\timages")
	for _, c := range s.Classes {
		fmt.Fprintf(t, "%d\t%s\t%d\n", c.Label, c.Name, c.Images)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "contact sheet: %s\n", s.Out)
	return err
}
