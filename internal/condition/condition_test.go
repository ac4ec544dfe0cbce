package condition

import (
	"math"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Condition{
		"fid < 4":               {Metric: "fid", Op: "<", Number: 4},
		"loss<=2.5e-2":          {Metric: "loss", Op: "<=", Number: .025},
		"  accuracy  >= .9 ":    {Metric: "accuracy", Op: ">=", Number: .9},
		"grad_norm > 100":       {Metric: "grad_norm", Op: ">", Number: 100},
		"kid < -0.001":          {Metric: "kid", Op: "<", Number: -.001},
		"valid_loss_ema < 0.02": {Metric: "valid_loss_ema", Op: "<", Number: .02},
		"nan":                   {Word: NaN},
		" finished ":            {Word: Finished},
		"crashed":               {Word: Crashed},
		"interrupted":           {Word: Interrupted},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q, which reads %+v, %v", text, got, again, err)
		}
	}
}

func TestParseSaysWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"":                "\"\": is no condition; write a comparison such as \"fid < 4\", or one of nan, finished, crashed, interrupted",
		"finshed":         `"finshed": is no condition, did you mean finished?; write`,
		"fid":             `"fid": must be compared with a number, such as "fid < 0.1"`,
		"los < 1":         `"los < 1": "los" is no metric, did you mean loss?; there are loss, lr, grad_norm, `,
		"< 1":             `"< 1": "" is no metric; there are`,
		"loss = 1":        `"loss = 1": "=" is no operator; there are <, <=, > and >=`,
		"loss =< 1":       `"=<" is no operator`,
		"loss <":          `"loss <": "" is no number`,
		"loss < low":      `"loss < low": "low" is no number`,
		"loss < 1e999":    `"1e999" is no number`,
		"loss < nan":      `"nan" is no number`,
		"loss < 0x1p-2":   `"0x1p-2" is no number`,
		"loss < 1_000":    `"1_000" is no number`,
		"loss < 1 < 2":    `"1 < 2" is no number`,
		"accuracy > 90":   `"accuracy > 90": an accuracy is a share from 0 to 1`,
		"FID < 4":         `"FID" is no metric, did you mean fid?`,
		"fid < 4 and nan": `"4 and nan" is no number`,
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}

func TestMet(t *testing.T) {
	for _, c := range []struct {
		op    string
		value float64
		want  bool
	}{
		{"<", 3.9, true}, {"<", 4, false}, {"<=", 4, true}, {"<=", 4.1, false},
		{">", 4, false}, {">", 4.1, true}, {">=", 4, true}, {">=", 3.9, false},
		{"<", math.NaN(), false}, {">", math.NaN(), false}, {"<", math.Inf(-1), false}, {">", math.Inf(1), false},
	} {
		if got := (Condition{Metric: "fid", Op: c.op, Number: 4}).Met(c.value); got != c.want {
			t.Errorf("%v %s 4: %v", c.value, c.op, got)
		}
	}
	if (Condition{Word: NaN}).Met(1) {
		t.Error("a word is met by a number")
	}
}

// FuzzParse: whatever a text says, it is refused in one line that names it, or
// read as what it is written as.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"fid < 4", "loss<=1e-3", "nan", "", "<", "accuracy > 2", "lr >= -.5e+7", "kid\t>\v0.", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if again, err := Parse(c.String()); err != nil || again != c {
			t.Fatalf("%q is %+v, written as %q, which is %+v, %v", text, c, c, again, err)
		}
	})
}
