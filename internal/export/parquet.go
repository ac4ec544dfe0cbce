package export

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"

	"diffuse/internal/atomicfile"
)

// The rows of the tables; a number that is not known is null.
type (
	stepRow struct {
		Run      string  `parquet:"run,dict"`
		Step     int64   `parquet:"step"`
		Epoch    int64   `parquet:"epoch"`
		Images   *int64  `parquet:"images,optional"`
		Loss     float64 `parquet:"loss"`
		LR       float64 `parquet:"lr"`
		GradNorm float64 `parquet:"grad_norm"`
		ImgPerS  float64 `parquet:"img_per_s"`
		Memory   *int64  `parquet:"memory,optional"`
		UnixMS   *int64  `parquet:"unix_ms,optional"`
	}
	epochRow struct {
		Run       string   `parquet:"run,dict"`
		Epoch     int64    `parquet:"epoch"`
		Step      int64    `parquet:"step"`
		TrainLoss *float64 `parquet:"train_loss,optional"`
		ValidLoss *float64 `parquet:"valid_loss,optional"`
		ValidEMA  *float64 `parquet:"valid_loss_ema,optional"`
		Accuracy  *float64 `parquet:"accuracy,optional"`
		Best      bool     `parquet:"best"`
		Seconds   float64  `parquet:"seconds"`
		Time      string   `parquet:"time"`
	}
	scoreRow struct {
		Run           string   `parquet:"run,dict"`
		Epoch         *int64   `parquet:"epoch,optional"` // null after training
		Step          int64    `parquet:"step"`
		Weights       string   `parquet:"weights"`
		Checkpoint    string   `parquet:"checkpoint"`
		Sampler       string   `parquet:"sampler"`
		NetCalls      *int64   `parquet:"net_calls,optional"`
		Samples       int64    `parquet:"samples"`
		FID           *float64 `parquet:"fid,optional"`
		FIDLow        *float64 `parquet:"fid_low,optional"`
		FIDHigh       *float64 `parquet:"fid_high,optional"`
		FIDFloor      *float64 `parquet:"fid_floor,optional"`
		KID           *float64 `parquet:"kid,optional"`
		KIDStdErr     *float64 `parquet:"kid_stderr,optional"`
		KIDFloor      *float64 `parquet:"kid_floor,optional"`
		Precision     *float64 `parquet:"precision,optional"`
		Recall        *float64 `parquet:"recall,optional"`
		Reference     string   `parquet:"reference"`
		ReferenceN    int64    `parquet:"reference_n"`
		Extractor     string   `parquet:"extractor"`
		ExtractorHash string   `parquet:"extractor_hash"`
		Seconds       float64  `parquet:"seconds"`
		Time          string   `parquet:"time"`
	}
	configRow struct {
		Run   string `parquet:"run,dict"`
		Key   string `parquet:"key,dict"`
		Value string `parquet:"value"`
	}
)

// Parquet writes steps.parquet, epochs.parquet, scores.parquet and config.parquet
// of the runs to a folder: CSV's tables, with types. It returns the files.
func Parquet(dir string, runs ...Run) (files []string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	var steps []stepRow
	var epochs []epochRow
	var scores []scoreRow
	var configs []configRow
	for _, r := range runs {
		steps = append(steps, r.stepTable()...)
		epochs = append(epochs, r.epochTable()...)
		scores = append(scores, r.scoreTable()...)
		for _, key := range slices.Sorted(maps.Keys(r.Config)) {
			configs = append(configs, configRow{r.Name, key, r.Config[key]})
		}
	}
	for _, table := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"steps", rowsOf(steps)}, {"epochs", rowsOf(epochs)}, {"scores", rowsOf(scores)}, {"config", rowsOf(configs)},
	} {
		path := filepath.Join(dir, table.name+".parquet")
		if err := atomicfile.Write(path, table.write); err != nil {
			return files, fmt.Errorf("export %s: %w", path, err)
		}
		files = append(files, path)
	}
	return files, nil
}

// rowsOf writes rows as a Parquet file.
func rowsOf[T any](rows []T) func(io.Writer) error {
	return func(w io.Writer) error {
		out := parquet.NewGenericWriter[T](w, parquet.Compression(&parquet.Snappy))
		if _, err := out.Write(rows); err != nil {
			return err
		}
		return out.Close()
	}
}

func (r Run) stepTable() (rows []stepRow) {
	for _, s := range r.Steps {
		rows = append(rows, stepRow{
			Run: r.Name, Step: int64(s.Step), Epoch: int64(s.Epoch), Images: orNull(int64(s.Images)),
			Loss: s.Loss, LR: s.LR, GradNorm: s.GradNorm, ImgPerS: s.ImgPerS, Memory: orNull(s.Memory), UnixMS: orNull(s.UnixMS),
		})
	}
	return rows
}

func (r Run) epochTable() (rows []epochRow) {
	for _, e := range r.Epochs {
		rows = append(rows, epochRow{
			Run: r.Name, Epoch: int64(e.Epoch), Step: int64(e.Step), TrainLoss: e.TrainLoss, ValidLoss: e.ValidLoss, ValidEMA: e.ValidEMA,
			Accuracy: e.Accuracy, Best: e.Best, Seconds: e.Seconds, Time: e.Time,
		})
	}
	return rows
}

func (r Run) scoreTable() (rows []scoreRow) {
	for _, s := range r.Scores {
		row := scoreRow{
			Run: r.Name, Epoch: orNull(int64(s.Epoch)), Step: int64(s.Step), Weights: s.Weights, Checkpoint: s.Checkpoint,
			Sampler: s.Sampler, NetCalls: orNull(int64(s.NetCalls)), Samples: int64(s.Samples), FID: s.FID, KID: s.KID, KIDStdErr: s.KIDStdErr,
			Precision: s.Precision, Recall: s.Recall, Reference: s.Reference.Name, ReferenceN: int64(s.Reference.N),
			Extractor: s.Extractor.Name, ExtractorHash: s.Extractor.Hash, Seconds: s.Seconds, Time: s.Time,
		}
		if s.Interval != nil {
			row.FIDLow, row.FIDHigh = &s.Interval[0], &s.Interval[1]
		}
		if s.Floor != nil {
			row.FIDFloor, row.KIDFloor = &s.Floor.FID, s.Floor.KID
		}
		rows = append(rows, row)
	}
	return rows
}

// orNull is a number that 0 stands in for when it is not known.
func orNull(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
