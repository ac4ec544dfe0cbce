package cli

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"diffuse/internal/index"
)

// RunsSQLOptions are the options of diffuse runs sql.
type RunsSQLOptions struct {
	IO     *IO
	Global *Global
	Query  string
}

// NewRunsSQL is `diffuse runs sql`.
func NewRunsSQL(stdio *IO, g *Global) *cobra.Command {
	o := &RunsSQLOptions{IO: stdio, Global: g}
	cmd := &cobra.Command{
		Use:   `sql "select …"`,
		Short: "Ask about the runs in SQL",
		Long: help(`Ask SQLite about the runs. The tables are

  runs    a row for each run        scores  each score, with its terms
  steps   each step of each run     grids   each sample grid
  epochs  each epoch                tags    each tag of each run
  config  each key of each config   events  all other lines of the logs

and docs/runs.md lists their columns. Only questions are answered: what would
change something is refused.`),
		Example: `  diffuse runs sql "select run, status, fid from runs where fid < 4 order by fid"
  diffuse runs sql "select run, min(valid_loss) from epochs group by run"
  diffuse runs sql "select c.value as lr, avg(r.fid) as fid from runs r join config c using (run) where c.key = 'train.lr' group by 1"
  diffuse runs sql "select step, loss from steps where run = 'clothes'" --json`,
		Args: arguments("a question in SQL", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Query = args[0]
			return runsSQLRun(cmd.Context(), o)
		},
	}
	return cmd
}

func runsSQLRun(ctx context.Context, o *RunsSQLOptions) error {
	x, err := openIndex(ctx, o.Global)
	if err != nil {
		return err
	}
	defer x.Close()
	answer, err := x.SQL(ctx, o.Query)
	if err != nil {
		return err
	}
	if o.Global.JSON {
		return o.IO.PrintJSON(objects(answer))
	}
	t := newTable(o.IO)
	t.header(answer.Columns)
	for _, values := range answer.Rows {
		row := make(table.Row, len(values))
		for i, v := range values {
			row[i] = exactly(v)
		}
		t.AppendRow(row)
	}
	return t.print()
}

// exactly is a value as SQLite has it; nothing for NULL.
func exactly(v any) any {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	}
	return v
}

// object is a row as JSON, its columns in their order.
type object struct {
	columns []string
	values  []any
}

func objects(t *index.Table) []object {
	all := make([]object, len(t.Rows))
	for i, row := range t.Rows {
		all[i] = object{t.Columns, row}
	}
	return all
}

// MarshalJSON writes the columns as keys.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range o.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		v := o.values[i]
		if text, ok := v.([]byte); ok {
			v = string(text)
		}
		key, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		b.Write(append(append(key, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
