package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/index"
	"diffuse/internal/nearest"
)

// RunsListOptions are the options of diffuse runs list.
type RunsListOptions struct {
	IO      *IO
	Global  *Global
	Query   index.Query
	Columns string // with commas between
}

// defaultColumns are what fits on a line.
const defaultColumns = "name,status,age,step/total,loss,valid_loss,fid,tags"

// NewRunsList is `diffuse runs list`.
func NewRunsList(stdio *IO, g *Global) *cobra.Command {
	o := &RunsListOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the runs, filtered and sorted",
		Long: help(`List the runs in the folder of runs, the newest first.

A filter is terms with "and" between them: a field or a key of the config, one
of = != < <= > >= and ~ (contains), and a value. Fields are those of --json;
tag asks for one of a run's tags. --columns takes the same names, and age,
step/total and tags.

To a terminal it prints a table, else lines with tabs between the columns.`),
		Example: `  diffuse runs list
  diffuse runs list --filter "status = finished and fid < 4 and train.lr >= 0.001" --sort fid
  diffuse runs list --filter "tag = good" --columns name,fid,kid,train.lr,model.channels
  diffuse runs list --limit 5 --json`,
		Args: noArguments("--filter"),
		RunE: func(cmd *cobra.Command, _ []string) error { return runsListRun(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.Query.Filter, "filter", "", "list only the runs that pass, such as \"fid < 4 and tag = good\"")
	cmd.Flags().StringVar(&o.Query.Sort, "sort", "", "a field or key, - before it for falling (default the newest first)")
	cmd.Flags().StringVar(&o.Columns, "columns", defaultColumns, "fields and keys with commas between")
	cmd.Flags().IntVar(&o.Query.Limit, "limit", 0, "at most so many runs, 0 is all")
	must(cmd.RegisterFlagCompletionFunc("sort", completeFields))
	return cmd
}

// completeFields offers what runs can be sorted by.
func completeFields(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return listable(), cobra.ShellCompDirectiveNoFileComp
}

// listable are all names of columns.
func listable() []string {
	names := append(index.Fields(), "age", "step/total", "tags")
	for _, k := range config.Keys() {
		names = append(names, k.Path)
	}
	return names
}

func runsListRun(ctx context.Context, o *RunsListOptions) error {
	columns, err := o.columns()
	if err != nil {
		return err
	}
	if o.Query.Limit < 0 {
		return fault.New(fault.Usage, "", "--limit: must be at least 0, got %d", o.Query.Limit)
	}
	x, err := openIndex(ctx, o.Global)
	if errors.Is(err, fs.ErrNotExist) {
		return o.none("there is no folder of runs "+o.Global.Runs, "diffuse train")
	}
	if err != nil {
		return err
	}
	defer x.Close()
	runs, total, err := x.Runs(ctx, o.Query)
	if err != nil {
		return err
	}
	switch {
	case len(runs) == 0 && o.Query.Filter == "":
		return o.none("there are no runs in "+o.Global.Runs, "diffuse train")
	case len(runs) == 0:
		return o.none("no run passes the filter", "diffuse runs list"+o.Global.runsFlag())
	case o.Global.JSON:
		return o.printJSON(runs, total)
	}
	t := newTable(o.IO)
	t.header(columns)
	now := time.Now()
	for _, r := range runs {
		row := make(table.Row, len(columns))
		for i, c := range columns {
			row[i] = cell(&r, c, now)
		}
		t.AppendRow(row)
	}
	return t.print()
}

// columns are those that were asked for.
func (o *RunsListOptions) columns() ([]string, error) {
	var columns []string
	known := listable()
	for name := range strings.SplitSeq(o.Columns, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(known, name) {
			return nil, fault.New(fault.Usage, "columns are "+strings.Join(append(index.Fields(), "age", "step/total", "tags"), ", ")+" and keys of the config",
				"--columns: runs have no field %q%s", name, didYouMean("", nearest.Name(name, known)))
		}
		columns = append(columns, name)
	}
	return columns, nil
}

// none is the answer where there is nothing to list, which is no failure.
func (o *RunsListOptions) none(what, hint string) error {
	if o.Global.JSON {
		return o.printJSON([]index.Run{}, 0)
	}
	if o.Global.Quiet {
		return nil
	}
	_, err := fmt.Fprintf(o.IO.Err, "%s\nhint: %s\n", what, hint)
	return err
}

func (o *RunsListOptions) printJSON(runs []index.Run, total int) error {
	return o.IO.PrintJSON(struct {
		Runs  []index.Run `json:"runs"`
		Total int         `json:"total"`
	}{runs, total})
}

// cell is a column of a run's row.
func cell(r *index.Run, column string, now time.Time) string {
	switch column {
	case "age":
		if t, err := time.Parse(time.RFC3339, r.Created); err == nil {
			return age(now.Sub(t))
		}
		return ""
	case "step/total":
		return fmt.Sprintf("%d/%d", r.Step, r.Total)
	case "tags":
		return strings.Join(r.Tags, ",")
	}
	return shown(r.Field(column))
}

// shown is a value as a table has it; nothing where it is not known.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case float64:
		if v == float64(int64(v)) {
			return fmt.Sprint(int64(v))
		}
		return fmt.Sprintf("%.5g", v)
	}
	return fmt.Sprint(v)
}

// age is how long ago something was, in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
