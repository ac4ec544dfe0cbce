package cli

import (
	"slices"
	"strings"

	"diffuse/internal/plot"
	"diffuse/internal/sweep"
)

// picture draws what settings came to into a file: a mark for the run of every seed,
// and one for their mean. Without two settings to compare there is none.
func (s *sweeping) picture(path string, settings []setting) (drawn bool, err error) {
	columns := keyColumns(s, false, func(g setting) map[string]string { return g.keys })
	names, keys, groups := make([]string, len(settings)), make([]string, len(columns)), make([][]*SweepRow, len(settings))
	for i, g := range settings {
		var values []string
		for _, c := range columns {
			if v := c.of(g); v != "" {
				values = append(values, v)
			}
		}
		names[i], groups[i] = strings.Join(values, " "), g.done
	}
	for i, c := range columns {
		keys[i] = c.title
	}
	charts := []plot.Chart{
		settingsChart("validation loss", groups, func(r *SweepRow) *float64 { return r.Best }),
		settingsChart("accuracy", groups, func(r *SweepRow) *float64 { return r.Accuracy }),
		settingsChart("FID", groups, func(r *SweepRow) *float64 { return r.fid() }),
	}
	charts = slices.DeleteFunc(charts, func(c plot.Chart) bool { return len(c.Lines[1].X) < 2 })
	if len(charts) == 0 {
		return false, nil
	}
	for i := range charts {
		charts[i].Names, charts[i].XLabel = names, strings.Join(keys, ", ")
	}
	return true, plot.WriteCharts(path, charts...)
}

// settingsChart has a mark for each value there is, and one for each group's mean.
// Scores that do not mean the same are left out.
func settingsChart(title string, groups [][]*SweepRow, of func(*SweepRow) *float64) plot.Chart {
	each, mean := plot.Line{Label: "a run", Marks: true}, plot.Line{Label: "mean", Marks: true}
	if !alike(slices.Concat(groups...)) {
		groups = nil
	}
	for i, group := range groups {
		var values []float64
		for _, r := range group {
			if v := of(r); v != nil {
				values = append(values, *v)
				each.X, each.Y = append(each.X, float64(i)), append(each.Y, *v)
			}
		}
		if spread := sweep.SpreadOf(values); spread != nil {
			mean.X, mean.Y = append(mean.X, float64(i)), append(mean.Y, spread.Mean)
		}
	}
	return plot.Chart{Title: title, Lines: []plot.Line{each, mean}}
}
