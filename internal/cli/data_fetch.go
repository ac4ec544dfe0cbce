package cli

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"diffuse/internal/dataset"
	"diffuse/internal/dataset/download"
	"diffuse/internal/fault"
)

// DataFetchOptions are the options of diffuse data fetch.
type DataFetchOptions struct {
	IO      *IO
	Global  *Global
	Names   []string
	Mirrors []string // asked instead of the known ones, where there are any
}

func newDataFetch(stdio *IO, g *Global) *cobra.Command {
	o := &DataFetchOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "fetch NAME...",
		Short: "Download data sets",
		Long: help(`Download the files of data sets from their authors' servers, or from --mirror;
and inception, the weights of pytorch-fid's InceptionV3, which diffuse fid
--extractor inception needs.

Files that are there and right are left alone; damaged ones are replaced. What
has arrived stays in a .part file through Ctrl-C and broken lines, and the next
fetch goes on from there. A file gets its name only when its size, MD5 and
SHA-256 are right.`, fault.Data, fault.Interrupted),
		Example: `  diffuse data fetch fashion-mnist
  diffuse data fetch fashion-mnist cifar-10 --data /srv/data
  diffuse data fetch inception
  diffuse data fetch cifar-10 --mirror https://mirror.example.org/cifar/`,
		Args:              arguments("the NAME of a data set", 1, math.MaxInt),
		ValidArgsFunction: completeFetched,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Names = args
			return dataFetchRun(cmd.Context(), o)
		},
	}
	cmd.Flags().StringArrayVar(&o.Mirrors, "mirror", nil, "ask the folder at `URL` instead of the known ones (repeatable: asked in turn)")
	return cmd
}

// fetchedSet is a data set's part of the answer of data fetch --json.
type fetchedSet struct {
	Name  string        `json:"name"`
	Files []fetchedFile `json:"files"`
}

type fetchedFile struct {
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	Fetched bool   `json:"fetched"` // false: it was there already
}

func dataFetchRun(ctx context.Context, o *DataFetchOptions) error {
	if err := checkSets(o.Names, fetchable()); err != nil {
		return err
	}
	if err := checkMirrors(o.Mirrors); err != nil {
		return err
	}
	fetched := make([]fetchedSet, 0, len(o.Names))
	for _, name := range o.Names {
		set, err := o.fetch(ctx, name)
		if err != nil {
			return err
		}
		fetched = append(fetched, set)
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(fetched)
	}
	return nil
}

// fetch brings one data set's files and prints a line for each.
func (o *DataFetchOptions) fetch(ctx context.Context, name string) (fetchedSet, error) {
	set := fetchedSet{Name: name, Files: []fetchedFile{}}
	source, ok := dataset.SourceOf(name)
	if !ok {
		o.print("%s is part of the program\n", name)
		return set, nil
	}
	mirrors := source.Mirrors
	if len(o.Mirrors) > 0 {
		mirrors = o.Mirrors
	}
	folder := dataset.Folder(o.Global.Data, name)
	fetcher := download.NewFetcher(newFetchProgress(o.IO, o.Global))
	for _, file := range source.Files {
		fetched, err := fetcher.Fetch(ctx, folder, file, mirrors)
		if err != nil {
			return set, err
		}
		path := filepath.Join(folder, file.Name)
		set.Files = append(set.Files, fetchedFile{path, file.Size, file.SHA256, fetched})
		how := "is there already"
		if fetched {
			how = "fetched, hashes are right"
		}
		o.print("%s: %s\n", path, how)
	}
	return set, nil
}

// print writes a line of the answer, except in JSON.
func (o *DataFetchOptions) print(format string, args ...any) {
	if !o.Global.JSON {
		fmt.Fprintf(o.IO.Out, format, args...)
	}
}

// checkMirrors demands addresses that can be asked.
func checkMirrors(mirrors []string) error {
	for _, m := range mirrors {
		u, err := url.Parse(m)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fault.New(fault.Usage, "", "--mirror: %q is no address of the form https://host/folder/", m)
		}
	}
	return nil
}
