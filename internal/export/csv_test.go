package export

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// table reads a CSV file as maps from column to text.
func table(t *testing.T, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, row := range rows[1:] {
		one := map[string]string{}
		for i, name := range rows[0] {
			one[name] = row[i]
		}
		all = append(all, one)
	}
	return all
}

func TestCSVReadsBackExactly(t *testing.T) {
	r, dir := exported(t), t.TempDir()
	files, err := CSV(dir, r, r)
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	steps := table(t, filepath.Join(dir, "steps.csv"))
	if len(steps) != 4 || steps[0]["run"] != "clothes" || steps[1]["memory"] != "" {
		t.Errorf("steps %v", steps)
	}
	if loss, err := strconv.ParseFloat(steps[1]["loss"], 64); err != nil || loss != r.Steps[1].Loss {
		t.Errorf("loss %q is not %v", steps[1]["loss"], r.Steps[1].Loss)
	}
	if e := table(t, filepath.Join(dir, "epochs.csv")); e[0]["train_loss"] != "0.4" || e[0]["valid_loss"] != "" || e[0]["best"] != "true" {
		t.Errorf("epochs %v", e)
	}
	s := table(t, filepath.Join(dir, "scores.csv"))[0]
	for column, want := range map[string]string{
		"fid": "3.5", "fid_low": "3.25", "fid_high": "3.75", "fid_floor": "1.5", "kid": "", "kid_floor": "", "samples": "64",
		"reference": "fashion-mnist/test", "reference_n": "10000", "extractor_hash": "d52f", "net_calls": "",
	} {
		if s[column] != want {
			t.Errorf("%s is %q, want %q", column, s[column], want)
		}
	}
	if c := table(t, filepath.Join(dir, "config.csv")); len(c) != 6 || c[0]["key"] != "data.flip" || c[0]["value"] != "true" {
		t.Errorf("config %v", c)
	}
}
