package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"diffuse/internal/run"
	"diffuse/internal/sweep"
)

// table prints what there is of all the sweep's runs, whichever shard they are
// of, and writes it to RUNS/SWEEP.csv, a picture of it beside.
func (s *sweeping) table() error {
	rows := make([]*SweepRow, len(s.plan.Runs))
	for i, r := range s.plan.Runs {
		rows[i] = s.row(r)
	}
	settings := s.settings(rows)
	means := s.means(settings)
	csv, picture, err := s.files(rows, settings)
	if err != nil {
		return err
	}
	if s.Global.JSON {
		return s.IO.PrintJSON(struct {
			Sweep string       `json:"sweep"`
			File  string       `json:"file"`
			Runs  []*SweepRow  `json:"runs"`
			Means []*SweepMean `json:"means,omitempty"`
			CSV   string       `json:"csv,omitempty"`
			Plot  string       `json:"plot,omitempty"`
		}{s.plan.Name, s.file.File, rows, means, csv, picture})
	}
	w := s.IO.Out
	if err := s.printRows(w, rows); err != nil {
		return err
	}
	if err := s.printMeans(w, means); err != nil {
		return err
	}
	if csv != "" {
		fmt.Fprintf(w, "\ntable  %s\n", csv)
	}
	if picture != "" {
		fmt.Fprintf(w, "plot   %s\n", picture)
	}
	return nil
}

// files writes the table and the picture of rows; a name is empty where there is
// nothing to write, or no folder to write to because nothing was trained.
func (s *sweeping) files(rows []*SweepRow, settings []setting) (csv, picture string, err error) {
	if _, err := os.Stat(s.Global.Runs); errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	path := filepath.Join(s.Global.Runs, s.plan.Name)
	if err := s.writeCSV(path+".csv", rows); err != nil {
		return "", "", err
	}
	drawn, err := s.picture(path+".png", settings)
	if drawn {
		picture = path + ".png"
	}
	return path + ".csv", picture, err
}

// column is one of a table's: its title, and what stands in it of a row.
type column[T any] struct {
	title string
	of    func(T) string
}

// printColumns writes a table of those columns that say something.
func printColumns[T any](w io.Writer, rows []T, columns []column[T]) error {
	columns = slices.DeleteFunc(columns, func(c column[T]) bool {
		return !slices.ContainsFunc(rows, func(r T) bool { return c.of(r) != "" })
	})
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cell func(column[T]) string) {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = cell(c)
		}
		fmt.Fprintln(table, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	line(func(c column[T]) string { return c.title })
	for _, r := range rows {
		line(func(c column[T]) string { return c.of(r) })
	}
	return table.Flush()
}

// keyColumns are those of the keys that vary, seeds among them or not.
func keyColumns[T any](s *sweeping, seeds bool, keys func(T) map[string]string) []column[T] {
	short := s.plan.Short()
	var columns []column[T]
	for _, k := range s.plan.Varies {
		if seeds || !sweep.IsSeed(k.Path) {
			columns = append(columns, column[T]{short[k.Path], func(r T) string { return keys(r)[k.Path] }})
		}
	}
	return columns
}

// number writes one that may be unknown.
func number(format string, x *float64) string {
	if x == nil {
		return ""
	}
	return fmt.Sprintf(format, *x)
}

// printRows writes the table of runs, and what its scores mean.
func (s *sweeping) printRows(w io.Writer, rows []*SweepRow) error {
	var terms []string // of scores, each once
	mark := func(l *run.ScoreLine) string {
		if l == nil {
			return ""
		}
		t := termsOf(l)
		if !slices.Contains(terms, t) {
			terms = append(terms, t)
		}
		return strings.Repeat("*", slices.Index(terms, t))
	}
	for _, r := range rows {
		mark(r.Score)
	}
	columns := []column[*SweepRow]{{"run", func(r *SweepRow) string { return r.Run }}}
	columns = append(columns, keyColumns(s, true, func(r *SweepRow) map[string]string { return r.Keys })...)
	columns = append(columns,
		column[*SweepRow]{"steps", func(r *SweepRow) string {
			switch {
			case r.Total == 0:
				return ""
			case r.Steps == r.Total:
				return strconv.Itoa(r.Steps)
			}
			return fmt.Sprintf("%d/%d", r.Steps, r.Total)
		}},
		column[*SweepRow]{"train loss", func(r *SweepRow) string { return number("%.4f", r.TrainLoss) }},
		column[*SweepRow]{"valid loss", func(r *SweepRow) string { return number("%.4f", r.ValidLoss) }},
		column[*SweepRow]{"averaged", func(r *SweepRow) string { return number("%.4f", r.ValidEMA) }},
		column[*SweepRow]{"best", func(r *SweepRow) string { return number("%.4f", r.Best) }},
		column[*SweepRow]{"accuracy", func(r *SweepRow) string { return number("%.4f", r.Accuracy) }},
		column[*SweepRow]{"FID, 95 %", func(r *SweepRow) string { return fidInterval(r.Score) + mark(r.Score) }},
		column[*SweepRow]{"KID", func(r *SweepRow) string { return number("%.5f", r.kid()) }},
		column[*SweepRow]{"images/s", func(r *SweepRow) string { return positive("%.4g", r.ImgPerS) }},
		column[*SweepRow]{"minutes", func(r *SweepRow) string { return positive("%.3g", r.Minutes) }},
		column[*SweepRow]{"status", func(r *SweepRow) string { return string(r.Status) }},
	)
	if err := printColumns(w, rows, columns); err != nil {
		return err
	}
	for i, t := range terms {
		fmt.Fprintf(w, "%sFID and KID [%s\n", strings.Repeat("*", i), t)
	}
	for _, r := range rows {
		if r.Error != "" {
			fmt.Fprintf(w, "%s: %s\n", r.Run, r.Error)
		}
	}
	return nil
}

// positive writes a number above 0; others are not known.
func positive(format string, x float64) string {
	if x <= 0 {
		return ""
	}
	return fmt.Sprintf(format, x)
}

// termsOf is what a score means nothing without, as its line has it.
func termsOf(l *run.ScoreLine) string {
	score := l.Score
	score.Interval = nil // each run has its own
	_, terms, _ := strings.Cut(score.FIDLine(), " [")
	return terms
}

// printMeans writes the table of means over seeds, where there are any.
func (s *sweeping) printMeans(w io.Writer, means []*SweepMean) error {
	if len(means) == 0 {
		return nil
	}
	fmt.Fprint(w, "\nover seeds: mean ± standard deviation of finished runs\n")
	spread := func(title, format string, of func(*SweepMean) *sweep.Spread) column[*SweepMean] {
		return column[*SweepMean]{title, func(m *SweepMean) string {
			x := of(m)
			switch {
			case x == nil:
				return ""
			case x.SD == nil:
				return fmt.Sprintf(format, x.Mean)
			}
			return fmt.Sprintf(format+" ± "+format, x.Mean, *x.SD)
		}}
	}
	columns := keyColumns(s, false, func(m *SweepMean) map[string]string { return m.Keys })
	return printColumns(w, means, append(columns,
		column[*SweepMean]{"runs", func(m *SweepMean) string { return strconv.Itoa(m.Runs) }},
		spread("train loss", "%.4f", func(m *SweepMean) *sweep.Spread { return m.TrainLoss }),
		spread("valid loss", "%.4f", func(m *SweepMean) *sweep.Spread { return m.ValidLoss }),
		spread("best", "%.4f", func(m *SweepMean) *sweep.Spread { return m.Best }),
		spread("accuracy", "%.4f", func(m *SweepMean) *sweep.Spread { return m.Accuracy }),
		spread("FID", "%.2f", func(m *SweepMean) *sweep.Spread { return m.FID }),
		spread("KID", "%.5f", func(m *SweepMean) *sweep.Spread { return m.KID }),
	))
}
