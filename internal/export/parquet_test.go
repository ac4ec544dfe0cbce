package export

import (
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// read is a table as the library's own reader has it.
func read[T any](t *testing.T, path string) []T {
	t.Helper()
	rows, err := parquet.ReadFile[T](path)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestParquetReadsBackExactly(t *testing.T) {
	r, dir := exported(t), t.TempDir()
	files, err := Parquet(dir, r, r)
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	type step struct {
		Run    string  `parquet:"run"`
		Step   int64   `parquet:"step"`
		Loss   float64 `parquet:"loss"`
		Memory *int64  `parquet:"memory"`
	}
	steps := read[step](t, filepath.Join(dir, "steps.parquet"))
	if len(steps) != 4 || steps[1].Run != "clothes" || steps[1].Loss != r.Steps[1].Loss || *steps[0].Memory != 1<<20 || steps[1].Memory != nil {
		t.Errorf("steps %+v", steps)
	}
	type epoch struct {
		TrainLoss *float64 `parquet:"train_loss"`
		ValidLoss *float64 `parquet:"valid_loss"`
		Best      bool     `parquet:"best"`
	}
	if e := read[epoch](t, filepath.Join(dir, "epochs.parquet")); len(e) != 2 || *e[0].TrainLoss != .4 || e[0].ValidLoss != nil || !e[0].Best {
		t.Errorf("epochs %+v", e)
	}
	type score struct {
		FID      *float64 `parquet:"fid"`
		FIDHigh  *float64 `parquet:"fid_high"`
		FIDFloor *float64 `parquet:"fid_floor"`
		KID      *float64 `parquet:"kid"`
		Samples  int64    `parquet:"samples"`
	}
	if s := read[score](t, filepath.Join(dir, "scores.parquet")); *s[0].FID != 3.5 || *s[0].FIDHigh != 3.75 || *s[0].FIDFloor != 1.5 || s[0].KID != nil || s[0].Samples != 64 {
		t.Errorf("scores %+v", s)
	}
	type setting struct {
		Key   string `parquet:"key"`
		Value string `parquet:"value"`
	}
	if c := read[setting](t, filepath.Join(dir, "config.parquet")); len(c) != 6 || c[1] != (setting{"schedule.kind", "cosine"}) {
		t.Errorf("config %+v", c)
	}
}
