package plot

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// ticks marks an axis at 4 to 8 multiples of 1, 2 or 5 times a power of ten.
type ticks struct{}

// Ticks implements plot.Ticker.
func (ticks) Ticks(low, high float64) []plot.Tick {
	step := tickStep(high - low)
	if step == 0 {
		return []plot.Tick{{Value: low, Label: strconv.FormatFloat(low, 'g', 6, 64)}}
	}
	// As many decimals as the step has, so that all labels have the same.
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	var marks []plot.Tick
	for i := math.Ceil(low / step); i*step <= high; i++ {
		label := strconv.FormatFloat(i*step+0, 'f', decimals, 64)
		if decimals > 6 || math.Abs(i*step) >= 1e6 {
			label = strconv.FormatFloat(i*step, 'g', 3, 64)
		}
		marks = append(marks, plot.Tick{Value: i * step, Label: label})
	}
	return marks
}

// tickStep is the smallest of 1, 2 and 5 times a power of ten that a range holds
// at most 7 times; 0 where the range is empty or not finite.
func tickStep(width float64) float64 {
	if !(width > 0) || math.IsInf(width, 0) {
		return 0
	}
	power := math.Pow(10, math.Floor(math.Log10(width/7)))
	for _, m := range []float64{1, 2, 5} {
		if m*power*7 >= width {
			return m * power
		}
	}
	return 10 * power
}
