package export

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"diffuse/internal/atomicfile"
)

// CSV writes steps.csv, epochs.csv, scores.csv and config.csv of the runs to a
// folder. Each has a column for the run. Numbers are the shortest that read back
// exactly; what is not known is empty. It returns the files.
func CSV(dir string, runs ...Run) ([]string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	var files []string
	for _, table := range []struct {
		name string
		rows func([]Run) [][]string
	}{{"steps.csv", stepRows}, {"epochs.csv", epochRows}, {"scores.csv", scoreRows}, {"config.csv", configRows}} {
		path := filepath.Join(dir, table.name)
		err := atomicfile.Write(path, func(w io.Writer) error { return csv.NewWriter(w).WriteAll(table.rows(runs)) })
		if err != nil {
			return files, fmt.Errorf("export %s: %w", path, err)
		}
		files = append(files, path)
	}
	return files, nil
}

func stepRows(runs []Run) [][]string {
	rows := [][]string{{"run", "step", "epoch", "images", "loss", "lr", "grad_norm", "img_per_s", "memory", "unix_ms"}}
	for _, r := range runs {
		for _, s := range r.Steps {
			rows = append(rows, []string{
				r.Name, strconv.Itoa(s.Step), strconv.Itoa(s.Epoch), strconv.Itoa(s.Images),
				decimal(&s.Loss), decimal(&s.LR), decimal(&s.GradNorm), decimal(&s.ImgPerS), whole(s.Memory), whole(s.UnixMS),
			})
		}
	}
	return rows
}

func epochRows(runs []Run) [][]string {
	rows := [][]string{{"run", "epoch", "step", "train_loss", "valid_loss", "valid_loss_ema", "accuracy", "best", "seconds", "time"}}
	for _, r := range runs {
		for _, e := range r.Epochs {
			rows = append(rows, []string{
				r.Name, strconv.Itoa(e.Epoch), strconv.Itoa(e.Step), decimal(e.TrainLoss), decimal(e.ValidLoss), decimal(e.ValidEMA),
				decimal(e.Accuracy), strconv.FormatBool(e.Best), decimal(&e.Seconds), e.Time,
			})
		}
	}
	return rows
}

func scoreRows(runs []Run) [][]string {
	rows := [][]string{{
		"run", "epoch", "step", "weights", "checkpoint", "sampler", "net_calls", "samples", "fid", "fid_low", "fid_high", "fid_floor",
		"kid", "kid_stderr", "kid_floor", "precision", "recall", "reference", "reference_n", "extractor", "extractor_hash", "seconds", "time",
	}}
	for _, r := range runs {
		for _, s := range r.Scores {
			var low, high, fidFloor, kidFloor *float64
			if s.Interval != nil {
				low, high = &s.Interval[0], &s.Interval[1]
			}
			if s.Floor != nil {
				fidFloor, kidFloor = &s.Floor.FID, s.Floor.KID
			}
			rows = append(rows, []string{
				r.Name, whole(int64(s.Epoch)), strconv.Itoa(s.Step), s.Weights, s.Checkpoint, s.Sampler, whole(int64(s.NetCalls)), strconv.Itoa(s.Samples),
				decimal(s.FID), decimal(low), decimal(high), decimal(fidFloor), decimal(s.KID), decimal(s.KIDStdErr), decimal(kidFloor),
				decimal(s.Precision), decimal(s.Recall), s.Reference.Name, strconv.Itoa(s.Reference.N), s.Extractor.Name, s.Extractor.Hash,
				decimal(&s.Seconds), s.Time,
			})
		}
	}
	return rows
}

func configRows(runs []Run) [][]string {
	rows := [][]string{{"run", "key", "value"}}
	for _, r := range runs {
		for _, key := range slices.Sorted(maps.Keys(r.Config)) {
			rows = append(rows, []string{r.Name, key, r.Config[key]})
		}
	}
	return rows
}

// decimal is the shortest number that reads back as x; empty for nil.
func decimal(x *float64) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'g', -1, 64)
}

// whole is a number that 0 stands in for when it is not known.
func whole(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
