package cli

import (
	"encoding/json"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"diffuse/internal/fault"
)

func TestSchedule(t *testing.T) {
	dir := t.TempDir()
	out, strip := filepath.Join(dir, "s.svg"), filepath.Join(dir, "strip.png")
	code, stdout, errOut := diffuse("schedule", "linear:0.02", "scaled_linear:0.00085..0.012", "cosine", "--out", out, "--strip", strip)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	for _, want := range []string{
		"linear 0.0001..0.02, 1000 steps\n",
		"    0  0.999900  0.000100       9999\n", // 0.9999/0.0001
		"  500  0.500000  0.003132          1\n", // the cosine's middle
		"    0  1.000000  0.000000       +Inf\n",
		out + "\n" + strip + "\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	// Only scaled_linear ends with signal: 0.00466.
	if strings.Count(errOut, "WARN") != 1 || !strings.Contains(errOut, "scaled_linear 0.00085..0.012: alphabar ends at 0.0047, so 6.8%") {
		t.Errorf("warnings: %s", errOut)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"alphabar: signal left", "slope: signal lost in a step", "log signal-to-noise ratio", "scaled_linear 0.00085..0.012"} {
		if !strings.Contains(string(text), ">"+want+"<") {
			t.Errorf("no %q in the plot", want)
		}
	}
	checkStrip(t, readPNG(t, strip).(*image.Gray), 3)
}

// checkStrip holds a strip to its shape and its first and last column: every
// schedule begins with the same images and ends with the same noise, or nearly.
func checkStrip(t *testing.T, g *image.Gray, schedules int) {
	t.Helper()
	const pitch = 32 + 2
	if got, want := g.Bounds().Size(), image.Pt(2+stripColumns*pitch, 2+schedules*stripImages*pitch); got != want {
		t.Fatalf("strip of %v, want %v", got, want)
	}
	difference := func(column, row, other int) float64 {
		sum := 0.0
		for y := range 32 {
			for x := range 32 {
				a := g.GrayAt(2+column*pitch+x, 2+row*pitch+y).Y
				b := g.GrayAt(2+column*pitch+x, 2+other*pitch+y).Y
				sum += max(float64(a)-float64(b), float64(b)-float64(a))
			}
		}
		return sum / 1024
	}
	for s := 1; s < schedules; s++ {
		for _, column := range []int{0, stripColumns - 1} {
			if d := difference(column, 0, s*stripImages); d > 8 {
				t.Errorf("column %d of schedule %d differs by %.1f levels", column, s, d)
			}
		}
	}
	if d := difference(0, 0, 1); d < 8 {
		t.Errorf("the two images differ by %.1f levels only", d)
	}
	if d := difference(stripColumns/2, 0, (schedules-1)*stripImages); d < 8 {
		t.Errorf("linear and cosine differ by %.1f levels half way", d)
	}
}

func TestScheduleJSON(t *testing.T) {
	code, stdout, errOut := diffuse("schedule", "--config", "fashion-cosine", "linear:0.012", "--out", "", "--json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	var a schedulesJSON
	if err := json.Unmarshal([]byte(stdout), &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Schedules) != 2 || a.Out != "" {
		t.Fatalf("%d schedules, out %q", len(a.Schedules), a.Out)
	}
	cosine, linear := a.Schedules[0], a.Schedules[1]
	if cosine.Kind != "cosine" || !cosine.Continuous || cosine.LeavesSignal || len(cosine.LogSNR) != 1000 || cosine.LogSNR[0] != nil {
		t.Errorf("the config's schedule is %s, continuous %v", cosine.Name, cosine.Continuous)
	}
	if linear.Continuous || !linear.LeavesSignal || linear.BetaMax != 0.012 || len(linear.Beta) != 1000 || linear.Beta[999] != 0.012 {
		t.Errorf("the argument's schedule is %s, continuous %v", linear.Name, linear.Continuous)
	}
}

func TestScheduleErrors(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "s.png")
	for args, says := range map[string]string{
		"liner:0.02":               `argument "liner:0.02": schedule.kind must be one of linear`,
		"linear:two":               "schedule.betamax must be a number",
		"linear:2":                 "schedule.betamax must be less than 1",
		"linear:0.01..0.001":       "schedule.betamax must be at least schedule.betamin",
		"cosine:0.1":               "cosine takes no betas",
		"linear --strip strip.jpg": "strip.jpg must end in .png",
		"linear --out s.jpg":       "must end in .png or .svg",
		"--config nowhere.yaml":    "nowhere.yaml",
	} {
		code, stdout, errOut := diffuse(strings.Fields("schedule --out " + out + " " + args)...)
		if code != int(fault.Usage) || stdout != "" || !strings.Contains(errOut, says) {
			t.Errorf("%s: exit %d, %q does not say %q", args, code, errOut, says)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}
