package plot

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"diffuse/internal/atomicfile"
	"diffuse/internal/fault"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Line is one curve. Points that are not finite, or not positive on a
// logarithmic axis, are left out.
type Line struct {
	Label  string // in the legend; empty is not listed
	X, Y   []float64
	Dashed bool
	Marks  bool // a mark at each point in place of a curve through them
}

// Chart is a panel of curves. Lines of the same place in several panels share
// their colour.
type Chart struct {
	Title, XLabel, YLabel string
	LogX, LogY            bool
	Names                 []string // what stands at 0, 1, 2 … of the x axis; else it is numbers
	Lines                 []Line
	LegendLeft            bool // else right
	LegendBottom          bool // else top
}

// Size of one panel, and the resolution of PNGs.
const (
	panelWidth  = 13 * vg.Centimeter
	panelHeight = 9 * vg.Centimeter
	dpi         = 144
)

// lineColours are Okabe and Ito's (2008), which colour-blind readers can tell
// apart, the darker ones first.
var lineColours = []color.Color{
	color.NRGBA{0, 114, 178, 255},   // blue
	color.NRGBA{213, 94, 0, 255},    // vermilion
	color.NRGBA{0, 158, 115, 255},   // green
	color.NRGBA{204, 121, 167, 255}, // purple
	color.NRGBA{230, 159, 0, 255},   // orange
	color.NRGBA{86, 180, 233, 255},  // sky blue
	color.NRGBA{0, 0, 0, 255},       // black
}

// CheckChartPath refuses a path whose extension WriteCharts does not know.
func CheckChartPath(path string) error {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".png", ".svg":
		return nil
	default:
		return fault.New(fault.Usage, "", "cannot plot to %s: its name must end in .png or .svg", path)
	}
}

// WriteCharts draws the panels from left to right into one PNG or SVG file, as
// path's extension says.
func WriteCharts(path string, charts ...Chart) error {
	if err := CheckChartPath(path); err != nil {
		return err
	}
	canvas := pngCanvas(len(charts))
	if strings.EqualFold(filepath.Ext(path), ".svg") {
		canvas = svgCanvas(len(charts))
	}
	if err := drawCharts(draw.New(canvas), charts); err != nil {
		return fmt.Errorf("plot %s: %w", path, err)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := canvas.WriteTo(w)
		return err
	})
}

// SVG draws the panels from left to right as an SVG document.
func SVG(charts ...Chart) ([]byte, error) {
	canvas := svgCanvas(len(charts))
	if err := drawCharts(draw.New(canvas), charts); err != nil {
		return nil, fmt.Errorf("plot: %w", err)
	}
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	return b.Bytes(), err
}

// canvas is what panels are drawn on and a file is made of.
type canvas interface {
	vg.CanvasSizer
	io.WriterTo
}

func pngCanvas(panels int) canvas {
	return vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(vg.Length(panels)*panelWidth, panelHeight), vgimg.UseDPI(dpi))}
}

func svgCanvas(panels int) canvas { return vgsvg.New(vg.Length(panels)*panelWidth, panelHeight) }

// drawCharts aligns the panels' axes and draws them side by side.
func drawCharts(canvas draw.Canvas, charts []Chart) error {
	row := make([]*plot.Plot, len(charts))
	for i, c := range charts {
		p, err := c.plot()
		if err != nil {
			return err
		}
		row[i] = p
	}
	const margin = 3 * vg.Millimeter
	tiles := draw.Tiles{
		Rows: 1, Cols: len(charts), PadX: 2 * margin,
		PadTop: margin, PadBottom: margin, PadLeft: margin, PadRight: margin,
	}
	for i, c := range plot.Align([][]*plot.Plot{row}, tiles, canvas)[0] {
		row[i].Draw(c)
	}
	return nil
}

// plot builds gonum's form of the chart.
func (c Chart) plot() (*plot.Plot, error) {
	p := plot.New()
	for _, style := range []*text.Style{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle,
		&p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		style.Font.Variant = "Sans"
	}
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.XLabel, c.YLabel
	p.Title.Padding = 2 * vg.Millimeter
	p.Legend.Top, p.Legend.Left = !c.LegendBottom, c.LegendLeft
	p.Legend.Padding = vg.Millimeter
	p.Legend.XOffs, p.Legend.YOffs = inward(c.LegendLeft), inward(c.LegendBottom)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{230}, color.Gray{230}
	p.Add(grid)
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks{}, ticks{}
	drawn := false
	for i, l := range c.Lines {
		points := c.drawable(l)
		if len(points) == 0 {
			continue
		}
		drawing, err := l.drawing(points, i)
		if err != nil {
			return nil, err
		}
		p.Add(drawing)
		if l.Label != "" {
			p.Legend.Add(l.Label, drawing)
		}
		drawn = true
	}
	if !drawn {
		return nil, fmt.Errorf("chart %q has no point to draw", c.Title)
	}
	switch {
	case c.Names != nil:
		c.nameX(p)
	case c.LogX:
		logarithmic(&p.X)
	}
	if c.LogY {
		logarithmic(&p.Y)
	}
	if !c.LogY { // room above and below, also for the labels at the ends
		room := 0.03 * (p.Y.Max - p.Y.Min)
		p.Y.Min, p.Y.Max = p.Y.Min-room, p.Y.Max+room
	}
	c.clearLegend(p)
	return p, nil
}

// drawing is a line's i-th in a chart.
func (l Line) drawing(points plotter.XYs, i int) (interface {
	plot.Plotter
	plot.Thumbnailer
}, error) {
	colour := lineColours[i%len(lineColours)]
	if l.Marks {
		marks, err := plotter.NewScatter(points)
		if err != nil {
			return nil, err
		}
		shapes := []draw.GlyphDrawer{draw.RingGlyph{}, draw.CrossGlyph{}, draw.TriangleGlyph{}, draw.SquareGlyph{}}
		marks.GlyphStyle = draw.GlyphStyle{Color: colour, Radius: vg.Points(4), Shape: shapes[i%len(shapes)]}
		return marks, nil
	}
	curve, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	curve.Color, curve.Width = colour, vg.Points(1.5)
	if l.Dashed {
		curve.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
	}
	return curve, nil
}

// nameX writes names along the x axis, aslant where they would run into each other.
func (c Chart) nameX(p *plot.Plot) {
	p.NominalX(c.Names...)
	p.X.Min, p.X.Max = -0.5, float64(len(c.Names))-0.5
	const fits = 60 // letters side by side
	if letters := len(strings.Join(c.Names, "  ")); letters > fits {
		p.X.Tick.Label.Rotation = math.Pi / 6
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	}
}

// logarithmic makes an axis one. That of one value gets a range: gonum would take
// one from each side of it, and may end below zero.
func logarithmic(a *plot.Axis) {
	if a.Min == a.Max {
		a.Min, a.Max = a.Min/2, a.Max*2
	}
	a.Scale = plot.LogScale{}
	const labelsDecades = 20 // a shorter range may hold no power of ten, or one
	if a.Max/a.Min >= labelsDecades {
		a.Tick.Marker = plot.LogTicks{Prec: -1}
	}
}

// Drawable tells whether any line has a point that the axes can show.
func (c Chart) Drawable() bool {
	return slices.ContainsFunc(c.Lines, func(l Line) bool { return len(c.drawable(l)) > 0 })
}

// drawable is l's points that the chart's axes can show.
func (c Chart) drawable(l Line) plotter.XYs {
	shows := func(v float64, log bool) bool {
		return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
	}
	var points plotter.XYs
	for i := range min(len(l.X), len(l.Y)) {
		if shows(l.X[i], c.LogX) && shows(l.Y[i], c.LogY) {
			points = append(points, plotter.XY{X: l.X[i], Y: l.Y[i]})
		}
	}
	return points
}
