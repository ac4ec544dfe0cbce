package cli

import (
	"slices"
	"strings"

	"diffuse/internal/plot"
	"diffuse/internal/run"
	"diffuse/internal/sweep"
)

// picture draws what finished runs came to into a file: for each setting a mark for
// the run of every seed, and one for their mean. Without two settings to compare
// there is none.
func (s *sweeping) picture(path string, rows []*SweepRow) (drawn bool, err error) {
	names, groups := s.settings(rows)
	charts := []plot.Chart{
		settingsChart("validation loss", groups, func(r *SweepRow) *float64 { return r.Best }),
		settingsChart("accuracy", groups, func(r *SweepRow) *float64 { return r.Accuracy }),
		settingsChart("FID", groups, func(r *SweepRow) *float64 { return r.fid() }),
	}
	charts = slices.DeleteFunc(charts, func(c plot.Chart) bool { return len(c.Lines[1].X) < 2 })
	for i := range charts {
		charts[i].Names, charts[i].XLabel = names, s.settingsLabel()
	}
	if len(charts) == 0 {
		return false, nil
	}
	return true, plot.WriteCharts(path, charts...)
}

// settings are the rows of finished runs that differ in seeds only, and what each of
// these groups is called.
func (s *sweeping) settings(rows []*SweepRow) (names []string, groups [][]*SweepRow) {
	at := map[string]int{}
	for _, r := range rows {
		var values []string
		for _, k := range s.plan.Varies {
			if v := r.Keys[k.Path]; v != "" && !sweep.IsSeed(k.Path) {
				values = append(values, v)
			}
		}
		name := strings.Join(values, " ")
		i, ok := at[name]
		if !ok {
			i = len(names)
			at[name], names, groups = i, append(names, name), append(groups, nil)
		}
		if r.Status == run.Finished {
			groups[i] = append(groups[i], r)
		}
	}
	return names, groups
}

// settingsLabel is what settings are values of.
func (s *sweeping) settingsLabel() string {
	var keys []string
	for _, c := range keyColumns(s, false, func(r *SweepRow) map[string]string { return r.Keys }) {
		keys = append(keys, c.title)
	}
	return strings.Join(keys, ", ")
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
