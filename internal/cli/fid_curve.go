package cli

import (
	"encoding/csv"
	"io"
	"path/filepath"
	"strings"

	"diffuse/internal/atomicfile"
	"diffuse/internal/plot"
)

// curve is scores over something, drawn beside levels, the floor the last of them:
// dashed lines that hold for all of it.
type curve struct {
	title, x string // what is scored, and over what
	logX     bool
	label    string
	points   []curvePoint
	levels   []curveLevel
	floor    curveLevel
}

type curvePoint struct {
	x, fid float64
	kid    *float64
}

type curveLevel struct {
	label    string
	fid, kid *float64 // nil where it is not known
}

// floorLevel is the floor of a score, for a curve.
func (r *ScoreResult) floorLevel() curveLevel {
	level := curveLevel{label: "floor: real images"}
	if r.Floor != nil {
		level.fid, level.kid = &r.Floor.FID, r.Floor.KID
	}
	return level
}

// write draws the curve to path and its table, a row for each of rows under the names
// of columns, to a .csv beside it; the floor stands in each row. It gives both names.
func (c *curve) write(path string, columns []string, rows [][]string) ([]string, error) {
	table := strings.TrimSuffix(path, filepath.Ext(path)) + ".csv"
	err := atomicfile.Write(table, func(w io.Writer) error {
		out := csv.NewWriter(w)
		all := [][]string{append(columns, "fid", "kid", "floor_fid", "floor_kid")}
		for i, p := range c.points {
			all = append(all, append(rows[i], number("%v", &p.fid), number("%v", p.kid), number("%v", c.floor.fid), number("%v", c.floor.kid)))
		}
		return out.WriteAll(all)
	})
	if err != nil {
		return nil, err
	}
	return []string{path, table}, plot.WriteCharts(path, c.charts()...)
}

// charts are FID, and KID where it is known.
func (c *curve) charts() []plot.Chart {
	fid, kid := plot.Line{Label: c.label}, plot.Line{Label: c.label}
	for _, p := range c.points {
		fid.X, fid.Y = append(fid.X, p.x), append(fid.Y, p.fid)
		if p.kid != nil {
			kid.X, kid.Y = append(kid.X, p.x), append(kid.Y, *p.kid)
		}
	}
	charts := []plot.Chart{c.chart("FID", fid, func(l curveLevel) *float64 { return l.fid })}
	charts[0].LogY = true
	if len(kid.X) > 0 {
		charts = append(charts, c.chart("KID", kid, func(l curveLevel) *float64 { return l.kid }))
	}
	return charts
}

func (c *curve) chart(what string, line plot.Line, of func(curveLevel) *float64) plot.Chart {
	chart := plot.Chart{Title: what + " " + c.title, XLabel: c.x, YLabel: what, LogX: c.logX, Lines: []plot.Line{line}}
	ends := []float64{line.X[0], line.X[len(line.X)-1]}
	for _, level := range append(c.levels, c.floor) {
		if y := of(level); y != nil {
			chart.Lines = append(chart.Lines, plot.Line{Label: level.label, X: ends, Y: []float64{*y, *y}, Dashed: true})
		}
	}
	return chart
}
