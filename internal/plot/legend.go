package plot

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// What a panel's title, labels and ticks take of it, about.
const (
	besideCurves = 2.7 * vg.Centimeter
	aboveCurves  = 2.8 * vg.Centimeter
)

// legendGap is how far a legend stands off the edges of the curves' field.
const legendGap = 2 * vg.Millimeter

// inward moves a legend off the edge it stands at: low is the left or bottom one.
func inward(low bool) vg.Length {
	if low {
		return legendGap
	}
	return -legendGap
}

// clearLegend makes room at the top of the y axis where a line would run under the
// legend there.
func (c Chart) clearLegend(p *plot.Plot) {
	size := p.Legend.Rectangle(draw.Canvas{}).Size()
	if c.LegendBottom || size.Y == 0 { // at the top there is none
		return
	}
	width := float64((size.X + 2*legendGap) / (panelWidth - besideCurves))
	const most = 0.6 // of the panel: a longer legend hides what it must
	free := 1 - min(most, float64((size.Y+2*legendGap)/(panelHeight-aboveCurves)))
	lo, hi := 1-width, 1.0
	if c.LegendLeft {
		lo, hi = 0, width
	}
	if top := c.highest(p, lo, hi); top > free {
		p.Y.Max = stretched(p.Y, top/free)
	}
}

// highest is how high the lines get between two places along the x axis, both in
// shares of the panel; −Inf where no line is there.
func (c Chart) highest(p *plot.Plot, lo, hi float64) float64 {
	top := math.Inf(-1)
	for _, l := range c.Lines {
		points := c.drawable(l)
		for i := range points {
			points[i] = plotter.XY{X: p.X.Norm(points[i].X), Y: p.Y.Norm(points[i].Y)}
			if x := points[i].X; lo <= x && x <= hi {
				top = max(top, points[i].Y)
			}
			if i > 0 && !l.Marks {
				top = max(top, crossing(points[i-1], points[i], lo), crossing(points[i-1], points[i], hi))
			}
		}
	}
	return top
}

// crossing is how high the way from a to b is at x; −Inf where it does not pass x.
func crossing(a, b plotter.XY, x float64) float64 {
	if (a.X-x)*(b.X-x) >= 0 {
		return math.Inf(-1)
	}
	return a.Y + (b.Y-a.Y)*(x-a.X)/(b.X-a.X)
}

// stretched is the end of an axis that is so many times as long.
func stretched(a plot.Axis, times float64) float64 {
	if _, log := a.Scale.(plot.LogScale); log {
		return a.Min * math.Pow(a.Max/a.Min, times)
	}
	return a.Min + (a.Max-a.Min)*times
}
