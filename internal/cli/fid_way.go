package cli

import (
	"context"
	"fmt"

	"diffuse/internal/dataset"
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
	c := curve{title: "of x0_hat on the way", x: "step", label: "x0_hat", floor: r.floorLevel()}
	var rows [][]string
	for _, p := range points {
		c.points = append(c.points, curvePoint{float64(p.Step), p.FID, p.KID})
		rows = append(rows, []string{fmt.Sprint(p.Step), fmt.Sprint(p.T), fmt.Sprint(p.NetCalls)})
	}
	r.Files, err = c.write(o.Trajectory, []string{"step", "t", "net_calls"}, rows)
	return err
}

// noiseLevels is under how many levels of noise real images are drawn anew.
const noiseLevels = 8

// scoreLevels scores images, and those that begin as real ones of a data set, which
// are not the reference's, under more and more noise; and draws the curve.
func (o *ScoreOptions) scoreLevels(ctx context.Context, j *judge.Judge, drawn *judge.Drawn, r *ScoreResult, name string) error {
	if err := plot.CheckChartPath(o.Levels); err != nil {
		return err
	}
	held, err := dataset.Open(name, o.Global.Data, dataset.Train)
	if err == nil && held.Hash == j.ReferenceHash() {
		held, err = dataset.Open(name, o.Global.Data, dataset.Test)
	}
	if err != nil {
		return err
	}
	levels, s, err := j.Levels(ctx, drawn, held, noiseLevels)
	if err != nil {
		return err
	}
	r.Score, r.Levels = *s, levels
	c := curve{
		title: "of real images drawn anew", x: "sigma of the noise they begin under", logX: true, label: "begun as real images",
		levels: []curveLevel{{"begun as noise", s.FID, s.KID}}, floor: r.floorLevel(),
	}
	var rows [][]string
	for _, l := range levels {
		c.points = append(c.points, curvePoint{l.Sigma, l.FID, l.KID})
		rows = append(rows, []string{fmt.Sprint(l.Sigma), fmt.Sprint(l.T), fmt.Sprint(l.NetCalls)})
	}
	r.Files, err = c.write(o.Levels, []string{"sigma", "t", "net_calls"}, rows)
	return err
}
