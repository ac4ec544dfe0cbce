package sweep

import (
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"diffuse/internal/config"
)

// IsSeed tells whether runs that differ in a key only are the same experiment.
func IsSeed(key string) bool { return key == "train.seed" || key == "sample.seed" }

// Groups are the Settings where a seed varies, else nil.
func (p *Plan) Groups() [][]*Run {
	if !slices.ContainsFunc(p.Varies, func(k config.Key) bool { return IsSeed(k.Path) }) {
		return nil
	}
	return p.Settings()
}

// Settings are the runs that differ in nothing but seeds, in the order of the first
// of each.
func (p *Plan) Settings() [][]*Run {
	at := map[string]int{}
	var groups [][]*Run
	for _, r := range p.Runs {
		values := p.Values(r)
		var b strings.Builder
		for _, k := range p.Varies {
			if !IsSeed(k.Path) {
				b.WriteString(values[k.Path] + "\n")
			}
		}
		i, ok := at[b.String()]
		if !ok {
			i = len(groups)
			at[b.String()], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

// Spread is the mean of some values and how far they lie apart.
type Spread struct {
	N    int      `json:"n"`
	Mean float64  `json:"mean"`
	SD   *float64 `json:"sd,omitempty"` // sqrt(Σ(x-mean)²/(n-1)); nil for one value
}

// SpreadOf is that of values; nil of none.
func SpreadOf(x []float64) *Spread {
	if len(x) == 0 {
		return nil
	}
	mean, sd := stat.MeanStdDev(x, nil)
	s := &Spread{N: len(x), Mean: mean}
	if len(x) > 1 {
		s.SD = &sd
	}
	return s
}
