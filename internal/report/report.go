// Package report makes one HTML file of runs: what they are, their curves,
// grids, scores and configs, to send to somebody who has none of their files.
package report

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"time"

	"diffuse/internal/plot"
	"diffuse/internal/run"
)

//go:embed report.gohtml
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"number": number}).Parse(page))

// number writes a loss or score that may be unknown.
func number(x *float64) string {
	if x == nil {
		return ""
	}
	return fmt.Sprintf("%.4g", *x)
}

// Run is a run with its config as a table; a config that cannot be read is nil.
type Run struct {
	*run.Record
	Config map[string]string
}

// view is what the page shows.
type view struct {
	Title, Made string
	Runs        []runView
	Curves      []template.HTML
	Differ      []row // keys of the config that differ
	Equal       []row
}

// runView is one run's part of the page.
type runView struct {
	Run
	Epoch  *run.EpochLine
	Took   time.Duration
	Scores []string
	Grids  []gridView
}

type gridView struct {
	Caption string
	Source  template.URL
}

// row is a key of the config with each run's value.
type row struct {
	Key    string
	Values []string
}

// Write writes the page of the runs, with the pictures in it. What it says was
// written by the runs and whoever noted on them: all of it is escaped.
func Write(w io.Writer, made time.Time, runs ...Run) error {
	v := view{Title: title(runs), Made: made.UTC().Format("2006-01-02 15:04 UTC")}
	for _, r := range runs {
		v.Runs = append(v.Runs, viewOf(r))
	}
	var err error
	if v.Curves, err = curves(runs); err != nil {
		return err
	}
	v.Differ, v.Equal = configRows(runs)
	return pageTemplate.Execute(w, v)
}

// title names the runs, few of them each.
func title(runs []Run) string {
	if len(runs) == 1 {
		return runs[0].Name
	}
	if len(runs) == 2 {
		return runs[0].Name + " and " + runs[1].Name
	}
	return fmt.Sprintf("%s and %d other runs", runs[0].Name, len(runs)-1)
}

func viewOf(r Run) runView {
	v := runView{Run: r, Epoch: r.LastEpoch(), Took: time.Duration(r.Seconds() * float64(time.Second)).Round(time.Second)}
	for _, s := range r.Scores {
		for _, line := range []string{s.FIDLine(), s.KIDLine()} {
			if line != "" {
				v.Scores = append(v.Scores, fmt.Sprintf("step %d: %s", s.Step, line))
			}
		}
	}
	for _, g := range some(r.Grids) {
		png, err := r.ReadPicture(g.Path)
		if err != nil { // what somebody deleted or damaged is missing, no more
			continue
		}
		v.Grids = append(v.Grids, gridView{
			Caption: fmt.Sprintf("epoch %d, step %d", g.Epoch, g.Step),
			Source:  template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png)),
		})
	}
	return v
}

// some are the first, the middle and the last grid.
func some(grids []run.GridLine) []run.GridLine {
	if n := len(grids); n > 3 {
		return []run.GridLine{grids[0], grids[n/2], grids[n-1]}
	}
	return grids
}

// configRows are the keys that differ between the runs, and the others.
func configRows(runs []Run) (differ, equal []row) {
	all := map[string]string{}
	for _, r := range runs {
		maps.Copy(all, r.Config)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		one := row{Key: key}
		same := true
		for _, r := range runs {
			one.Values = append(one.Values, r.Config[key])
			same = same && r.Config[key] == runs[0].Config[key]
		}
		if same {
			equal = append(equal, one)
		} else {
			differ = append(differ, one)
		}
	}
	return differ, equal
}

// curves are the charts: training and validation loss, learning rate, and FID
// where there is one.
func curves(runs []Run) ([]template.HTML, error) {
	loss := plot.Chart{Title: "training loss, smoothed", XLabel: "step", LogY: true}
	valid := plot.Chart{Title: "validation loss", XLabel: "step", LogY: true}
	lr := plot.Chart{Title: "learning rate", XLabel: "step"}
	fid := plot.Chart{Title: "FID", XLabel: "step", LogY: true}
	for _, r := range runs {
		loss.Lines = append(loss.Lines, thin(r.LossLine(r.Name)))
		valid.Lines = append(valid.Lines, r.ValidLine(r.Name))
		lr.Lines = append(lr.Lines, thin(r.RateLine(r.Name)))
		fid.Lines = append(fid.Lines, r.FIDLine(r.Name))
	}
	var all []template.HTML
	for _, c := range []plot.Chart{loss, valid, lr, fid} {
		if !c.Drawable() {
			continue
		}
		svg, err := plot.SVG(c)
		if err != nil {
			return nil, err
		}
		if i := bytes.Index(svg, []byte("<svg")); i > 0 {
			svg = svg[i:] // without the XML declaration, which HTML does not know
		}
		all = append(all, template.HTML(svg)) // the chart's texts are escaped in it
	}
	return all, nil
}

// maxPoints is how many points of a curve a page shows.
const maxPoints = 600

// thin leaves out points of a long curve, evenly.
func thin(l plot.Line) plot.Line {
	n := len(l.X)
	if n <= maxPoints {
		return l
	}
	t := plot.Line{Label: l.Label, Dashed: l.Dashed}
	for i := range maxPoints {
		at := i * (n - 1) / (maxPoints - 1)
		t.X, t.Y = append(t.X, l.X[at]), append(t.Y, l.Y[at])
	}
	return t
}
