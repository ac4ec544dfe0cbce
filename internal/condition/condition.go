// Package condition reads what alerts and stopping rules are written in:
// comparisons such as "fid < 4", and the words nan, finished, crashed and
// interrupted.
package condition

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"diffuse/internal/nearest"
)

// The words: what may happen to a run without being a number.
const (
	NaN         = "nan"         // a loss or a gradient was not finite
	Finished    = "finished"    // the run ended as it should
	Crashed     = "crashed"     // an error ended it
	Interrupted = "interrupted" // Ctrl-C ended it
)

// Words are all of them.
var Words = []string{NaN, Finished, Crashed, Interrupted}

// Metrics are the numbers that a comparison may be about.
var Metrics = []string{
	"loss", "lr", "grad_norm", "img_per_s", "memory", // of steps
	"train_loss", "valid_loss", "valid_loss_ema", "accuracy", // of epochs
	"fid", "kid", // of scores
}

// Condition is a comparison, or a word.
type Condition struct {
	Word   string // one of Words; empty for a comparison
	Metric string // one of Metrics
	Op     string // <, <=, > or >=
	Number float64
}

// parts are a comparison's metric, operator and number, whatever they are.
var parts = regexp.MustCompile(`^\s*([^\s<>=!~]*)\s*([<>=!~]+)\s*(.*?)\s*$`)

// decimal is a number as a config writes it: no infinities, no hexadecimal.
var decimal = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// Parse reads a condition. Errors name it and say what is allowed.
func Parse(text string) (Condition, error) {
	p := parts.FindStringSubmatch(text)
	if p == nil {
		return parseWord(text)
	}
	c := Condition{Metric: p[1], Op: p[2]}
	if !slices.Contains(Metrics, c.Metric) {
		return Condition{}, fmt.Errorf("%q: %q is no metric%s; there are %s", text, c.Metric, didYouMean(c.Metric, Metrics), strings.Join(Metrics, ", "))
	}
	if !slices.Contains([]string{"<", "<=", ">", ">="}, c.Op) {
		return Condition{}, fmt.Errorf("%q: %q is no operator; there are <, <=, > and >=", text, c.Op)
	}
	var err error
	if c.Number, err = strconv.ParseFloat(p[3], 64); err != nil || !decimal.MatchString(p[3]) {
		return Condition{}, fmt.Errorf("%q: %q is no number", text, p[3])
	}
	if c.Metric == "accuracy" && (c.Number < 0 || c.Number > 1) {
		return Condition{}, fmt.Errorf("%q: an accuracy is a share from 0 to 1", text)
	}
	return c, nil
}

func parseWord(text string) (Condition, error) {
	word := strings.TrimSpace(text)
	if slices.Contains(Words, word) {
		return Condition{Word: word}, nil
	}
	if slices.Contains(Metrics, word) {
		return Condition{}, fmt.Errorf("%q: must be compared with a number, such as %q", text, word+" < 0.1")
	}
	return Condition{}, fmt.Errorf("%q: is no condition%s; write a comparison such as \"fid < 4\", or one of %s", text, didYouMean(word, Words), strings.Join(Words, ", "))
}

func didYouMean(name string, names []string) string {
	near := nearest.Name(strings.ToLower(name), names)
	if name == "" || near == "" {
		return ""
	}
	return ", did you mean " + near + "?"
}

// Met tells whether a metric's value meets the comparison. One that is not
// finite meets none.
func (c Condition) Met(value float64) bool {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return false
	}
	switch c.Op {
	case "<":
		return value < c.Number
	case "<=":
		return value <= c.Number
	case ">":
		return value > c.Number
	case ">=":
		return value >= c.Number
	}
	return false
}

// String writes the condition so that Parse reads it back.
func (c Condition) String() string {
	if c.Word != "" {
		return c.Word
	}
	return fmt.Sprintf("%s %s %s", c.Metric, c.Op, strconv.FormatFloat(c.Number, 'g', -1, 64))
}
