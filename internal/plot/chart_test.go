package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"diffuse/internal/fault"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/plot/plotter"
)

func twoPanels() []Chart {
	x := []float64{0, 1, 2, 3}
	return []Chart{
		{Title: "one", Lines: []Line{{Label: "a", X: x, Y: []float64{1, math.NaN(), 2, math.Inf(1)}}}},
		{Title: "two", LogX: true, LogY: true, Lines: []Line{{X: x, Y: x, Dashed: true}}},
	}
}

func TestWriteChartsPNG(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	if err := WriteCharts(path, twoPanels()...); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := png.DecodeConfig(f)
	if err != nil {
		t.Fatal(err)
	}
	// 26 cm × 9 cm at 144 dots an inch.
	if c.Width != 1474 || c.Height != 510 {
		t.Errorf("%d×%d pixels", c.Width, c.Height)
	}
}

func TestWriteChartsSVGIsXML(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.SVG")
	if err := WriteCharts(path, twoPanels()...); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, word := range []string{">one<", ">two<", ">a<"} {
		if !bytes.Contains(text, []byte(word)) {
			t.Errorf("no %s in the drawing", word)
		}
	}
}

func TestNamesStandUnderMarks(t *testing.T) {
	marks := Line{Label: "a run", X: []float64{0, 0, 1}, Y: []float64{3, 4, 5}, Marks: true}
	svg, err := SVG(Chart{Title: "FID", Names: []string{"[0,1]", "[-1,1]"}, Lines: []Line{marks}})
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{">[0,1]<", ">[-1,1]<", ">a run<"} {
		if !bytes.Contains(svg, []byte(word)) {
			t.Errorf("no %s in the drawing", word)
		}
	}
	curve := marks
	curve.Marks = false
	other, err := SVG(Chart{Title: "FID", Names: []string{"[0,1]", "[-1,1]"}, Lines: []Line{curve}})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(svg, other) {
		t.Error("marks are drawn as a curve")
	}
}

func TestDrawable(t *testing.T) {
	panels := twoPanels()
	if d := cmp.Diff(plotter.XYs{{X: 0, Y: 1}, {X: 2, Y: 2}}, panels[0].drawable(panels[0].Lines[0])); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(plotter.XYs{{X: 1, Y: 1}, {X: 2, Y: 2}, {X: 3, Y: 3}}, panels[1].drawable(panels[1].Lines[0])); d != "" {
		t.Error(d)
	}
}

func TestWriteChartsRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := WriteCharts(filepath.Join(dir, "a.jpg"), twoPanels()...); fault.Code(err) != int(fault.Usage) {
		t.Errorf("unknown extension: %v", err)
	}
	if err := WriteCharts(filepath.Join(dir, "a.png"), Chart{Title: "empty"}); err == nil {
		t.Error("empty chart: no error")
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

func TestTicks(t *testing.T) {
	for _, k := range []struct {
		low, high float64
		want      []string
	}{
		{0, 999, []string{"0", "200", "400", "600", "800"}},
		{-0.03, 1.03, []string{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}},
		{-0.0019, 0, []string{"-0.0015", "-0.0010", "-0.0005", "0.0000"}},
		{-13, 13, []string{"-10", "-5", "0", "5", "10"}},
		{2, 2, []string{"2"}},
		{1e8, 3e8, []string{"1e+08", "1.5e+08", "2e+08", "2.5e+08", "3e+08"}},
	} {
		var got []string
		for _, mark := range (ticks{}).Ticks(k.low, k.high) {
			got = append(got, mark.Label)
		}
		if d := cmp.Diff(k.want, got); d != "" {
			t.Errorf("%v to %v (-want +got):\n%s", k.low, k.high, d)
		}
	}
}

// A logarithmic axis may show one value only, however small.
func TestOneValueOnALogarithmicAxis(t *testing.T) {
	for _, v := range []float64{1e-9, 0.227, 1, 40} {
		line := []Line{{Label: "a", X: []float64{v}, Y: []float64{v}}}
		path := filepath.Join(t.TempDir(), "one.png")
		if err := WriteCharts(path, Chart{Title: "one", LogX: true, LogY: true, Lines: line}); err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// A legend at the top stands above every line that passes there: between points as
// at them, and on logarithmic axes.
func TestLinesStayBelowTheLegend(t *testing.T) {
	const labels = 3
	for name, k := range map[string]struct {
		x, y             []float64
		log, left, marks bool
		raised           bool
	}{
		"high at the right":        {y: []float64{1, 2, 3, 4}, raised: true},
		"low at the right":         {y: []float64{4, 1, 1, 1}},
		"low at the left":          {y: []float64{1, 1, 1, 4}, left: true},
		"high at the left":         {y: []float64{4, 3, 1, 1}, left: true, raised: true},
		"logarithmic":              {y: []float64{1, 10, 100, 1000}, log: true, raised: true},
		"passes between points":    {x: []float64{0, 1.35, 3}, y: []float64{0, 9, 0}, raised: true},
		"no line between its dots": {x: []float64{0, 1.35, 3}, y: []float64{0, 9, 0}, marks: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := Chart{LogY: k.log, LegendLeft: k.left}
			if k.x == nil {
				k.x = []float64{0, 1, 2, 3}
			}
			for range labels {
				c.Lines = append(c.Lines, Line{Label: "training, smoothed", X: k.x, Y: k.y, Marks: k.marks})
			}
			p, err := c.plot()
			if err != nil {
				t.Fatal(err)
			}
			const room = 0.03
			if highest := slices.Max(k.y); (p.Y.Max > highest*(1+2*room)) != k.raised {
				t.Errorf("the axis ends at %v, the lines at %v", p.Y.Max, highest)
			}
			// Three lines of text are more than a sixth of the panel.
			lo, hi := 0.6, 1.0
			if k.left {
				lo, hi = 0, 0.4
			}
			if top := c.highest(p, lo, hi); top > 5./6 {
				t.Errorf("a line gets to %v of the panel under the legend", top)
			}
		})
	}
}

// A chart without a legend needs no room for one.
func TestNoRoomForNoLegend(t *testing.T) {
	p, err := Chart{Lines: []Line{{X: []float64{0, 1}, Y: []float64{0, 100}}}}.plot()
	if err != nil {
		t.Fatal(err)
	}
	if p.Y.Max != 103 { // room for the label at the end
		t.Errorf("the axis ends at %v, the line at 100", p.Y.Max)
	}
}
