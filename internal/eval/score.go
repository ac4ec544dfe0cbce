package eval

import (
	"math"
	"strconv"
	"strings"
)

// Score is what is known of a model's samples, with all that a number needs to
// mean something next month: how many samples, of which reference, under which
// extractor, and the floor. What was not measured is nil and left out of JSON.
type Score struct {
	FID       *float64    `json:"fid,omitempty"`
	FIDStdErr *float64    `json:"fid_stderr,omitempty"`
	Interval  *[2]float64 `json:"interval,omitempty"` // FID's 95 %

	KID          *float64    `json:"kid,omitempty"`
	KIDStdErr    *float64    `json:"kid_stderr,omitempty"`
	KIDInterval  *[2]float64 `json:"kid_interval,omitempty"` // 95 %
	KIDEstimator string      `json:"kid_estimator,omitempty"`
	KIDBlocks    int         `json:"kid_blocks,omitempty"`
	KIDSize      int         `json:"kid_block_size,omitempty"`

	Precision *float64 `json:"precision,omitempty"`
	Recall    *float64 `json:"recall,omitempty"`
	Density   *float64 `json:"density,omitempty"`
	Coverage  *float64 `json:"coverage,omitempty"`
	Copies    *Copies  `json:"near_copies,omitempty"`

	Floor     *Floor    `json:"floor,omitempty"`
	Samples   int       `json:"samples"`
	Reference Reference `json:"reference"`
	Extractor Extractor `json:"extractor"`
	Seed      uint64    `json:"seed"`
	Warnings  []string  `json:"warnings,omitempty"`
}

// Reference names the real images that samples are scored against.
type Reference struct {
	Name string `json:"name"` // such as fashion-mnist/test
	N    int    `json:"n"`    // 0 where it is unknown
	Hash string `json:"hash"` // of what the scores depend on, in hexadecimal
}

// Extractor names the net that made features of images.
type Extractor struct {
	Name      string `json:"name"`
	Hash      string `json:"hash"` // of its weights, in hexadecimal
	Dim       int    `json:"dim"`  // features of an image
	Precision string `json:"precision"`
}

// Copies counts the samples that are as near to a real image as only one in a
// thousand real images is to another.
type Copies struct {
	Count     int     `json:"count"`
	Expected  float64 `json:"expected"` // of as many fresh real images
	Threshold float64 `json:"threshold"`
}

// FIDLine is FID with its terms, in one line; empty where it was not measured:
//
//	FID 3.73 [n=2048 · ref fashion-mnist/test 10000 · extractor fashion-resnet@3fe1 · floor 1.91 · 95 % 3.5–4.0]
func (s Score) FIDLine() string {
	if s.FID == nil {
		return ""
	}
	var floor *float64
	if s.Floor != nil {
		floor = &s.Floor.FID
	}
	return "FID " + number(*s.FID) + s.terms(s.floor(floor), interval(s.Interval))
}

// KIDLine is the same for KID, with its estimator where it is not the lesson's:
//
//	KID 0.00832 ± 0.00121 [n=2048 · ref … · extractor … · floor 0.00447 · 41 blocks of 49]
func (s Score) KIDLine() string {
	if s.KID == nil {
		return ""
	}
	value := "KID " + number(*s.KID)
	if s.KIDStdErr != nil {
		value += " ± " + number(*s.KIDStdErr)
	}
	var floor *float64
	if s.Floor != nil {
		floor = s.Floor.KID
	}
	parts := "one block"
	if s.KIDBlocks > 1 {
		parts = strconv.Itoa(s.KIDBlocks) + " " + s.KIDEstimator + " of " + strconv.Itoa(s.KIDSize)
	}
	return value + s.terms(s.floor(floor), parts, interval(s.KIDInterval))
}

// CoverageLine is precision, recall, density and coverage in one line, with the
// same terms but a floor; empty where they were not measured.
func (s Score) CoverageLine() string {
	var values []string
	for _, v := range []struct {
		name  string
		value *float64
	}{{"precision", s.Precision}, {"recall", s.Recall}, {"density", s.Density}, {"coverage", s.Coverage}} {
		if v.value != nil {
			values = append(values, v.name+" "+number(*v.value))
		}
	}
	if values == nil {
		return ""
	}
	return strings.Join(values, ", ") + s.terms()
}

// terms is what a number means nothing without, and more, in brackets.
func (s Score) terms(more ...string) string {
	reference := "ref " + s.Reference.Name
	if s.Reference.N > 0 {
		reference += " " + strconv.Itoa(s.Reference.N)
	}
	extractor := "extractor " + s.Extractor.Name
	if h := s.Extractor.Hash; h != "" {
		extractor += "@" + h[:min(4, len(h))]
	}
	if p := s.Extractor.Precision; p != "" && p != "fp32" {
		extractor += " " + p
	}
	terms := []string{"n=" + strconv.Itoa(s.Samples), reference, extractor}
	for _, m := range more {
		if m != "" {
			terms = append(terms, m)
		}
	}
	return " [" + strings.Join(terms, " · ") + "]"
}

// floor is the floor's term: its own n is said where it is not the samples'.
func (s Score) floor(value *float64) string {
	if value == nil {
		return "floor unknown"
	}
	text := "floor " + number(*value)
	if s.Floor.N != s.Samples {
		text += " at n=" + strconv.Itoa(s.Floor.N)
	}
	return text
}

// interval is "95 % lo–hi" with the decimals that its width is worth: the last
// one counts at most a quarter of it.
func interval(i *[2]float64) string {
	if i == nil {
		return ""
	}
	decimals := maxDecimals
	if width := i[1] - i[0]; width > 0 {
		decimals = min(maxDecimals, max(0, -int(math.Floor(math.Log10(width/4)))))
	}
	return "95 % " + fixed(i[0], decimals) + "–" + fixed(i[1], decimals)
}

// maxDecimals is the most that a score is worth: KID of 50,000 images is good to
// about 1e-5.
const maxDecimals = 5

// number is v to three significant digits, in at most five decimals: 3.73, 0.00832.
func number(v float64) string {
	// The exponent after rounding: 9.996 is 10.0.
	scientific := strconv.FormatFloat(v, 'e', 2, 64)
	exponent, err := strconv.Atoi(scientific[strings.IndexByte(scientific, 'e')+1:])
	if err != nil { // NaN or infinite
		return scientific
	}
	return fixed(v, min(maxDecimals, max(0, 2-exponent)))
}

// fixed is v in so many decimals; zero has no sign.
func fixed(v float64, decimals int) string {
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Trim(text, "-0.") == "" {
		return strings.TrimPrefix(text, "-")
	}
	return text
}
