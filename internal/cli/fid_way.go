package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"diffuse/internal/atomicfile"
	"diffuse/internal/judge"
	"diffuse/internal/plot"
)

// wayPoints is at how many steps x0_hat is scored.
const wayPoints = 20

// scoreWay scores images and x0_hat on the way to them, and draws the curve.
func (o *ScoreOptions) scoreWay(ctx context.Context, j *judge.Judge, drawn *judge.Drawn, r *ScoreResult) error {
	if err := plot.CheckChartPath(o.Trajectory); err != nil {
		return err
	}
	points, s, err := j.Trajectory(ctx, drawn, wayPoints)
	if err != nil {
		return err
	}
	r.Score, r.Trajectory = *s, points
	table := strings.TrimSuffix(o.Trajectory, filepath.Ext(o.Trajectory)) + ".csv"
	if err := writeWay(table, r); err != nil {
		return err
	}
	r.Files = []string{o.Trajectory, table}
	return plotWay(o.Trajectory, r)
}

// writeWay writes a row for each step; the floor stands in each.
func writeWay(path string, r *ScoreResult) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		out := csv.NewWriter(w)
		rows := [][]string{{"step", "t", "net_calls", "fid", "kid", "floor_fid", "floor_kid"}}
		number := func(x *float64) string {
			if x == nil {
				return ""
			}
			return fmt.Sprint(*x)
		}
		var fid, kid *float64
		if r.Floor != nil {
			fid, kid = &r.Floor.FID, r.Floor.KID
		}
		for _, p := range r.Trajectory {
			rows = append(rows, []string{fmt.Sprint(p.Step), fmt.Sprint(p.T), fmt.Sprint(p.NetCalls), number(&p.FID), number(p.KID), number(fid), number(kid)})
		}
		return out.WriteAll(rows)
	})
}

// plotWay draws FID, and KID where it is known, over the steps, with the floor.
func plotWay(path string, r *ScoreResult) error {
	fid, kid := plot.Line{Label: "x0_hat"}, plot.Line{Label: "x0_hat"}
	var ends []float64
	for _, p := range r.Trajectory {
		x := float64(p.Step)
		fid.X, fid.Y = append(fid.X, x), append(fid.Y, p.FID)
		if p.KID != nil {
			kid.X, kid.Y = append(kid.X, x), append(kid.Y, *p.KID)
		}
	}
	ends = []float64{fid.X[0], fid.X[len(fid.X)-1]}
	floor := func(y *float64) []plot.Line {
		if y == nil {
			return nil
		}
		return []plot.Line{{Label: "floor: real images", X: ends, Y: []float64{*y, *y}, Dashed: true}}
	}
	panel := func(what string, log bool, line plot.Line, floor []plot.Line) plot.Chart {
		return plot.Chart{Title: what + " of x0_hat on the way", XLabel: "step", YLabel: what, LogY: log, Lines: append([]plot.Line{line}, floor...)}
	}
	var floorFID, floorKID *float64
	if r.Floor != nil {
		floorFID, floorKID = &r.Floor.FID, r.Floor.KID
	}
	charts := []plot.Chart{panel("FID", true, fid, floor(floorFID))}
	if len(kid.X) > 0 {
		charts = append(charts, panel("KID", false, kid, floor(floorKID)))
	}
	return plot.WriteCharts(path, charts...)
}
