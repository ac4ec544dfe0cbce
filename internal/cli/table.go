package cli

import (
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// listing is a table of results: drawn on a terminal, else lines with tabs between
// the columns, for other programs.
type listing struct {
	table.Writer
	io *IO
}

func newTable(stdio *IO) *listing {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Options.SeparateHeader = true
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	return &listing{t, stdio}
}

// header names the columns.
func (t *listing) header(columns []string) {
	row := make(table.Row, len(columns))
	for i, c := range columns {
		row[i] = c
	}
	t.AppendHeader(row)
}

func (t *listing) print() error {
	out := t.RenderTSV()
	if t.io.OutIsTerminal {
		out = t.Render()
	}
	_, err := fmt.Fprintln(t.io.Out, out)
	return err
}
