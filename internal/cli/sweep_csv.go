package cli

import (
	"encoding/csv"
	"io"
	"strconv"

	"diffuse/internal/atomicfile"
)

// writeCSV writes a row for each run, with every digit.
func (s *sweeping) writeCSV(path string, rows []*SweepRow) error {
	header := []string{"run", "status"}
	for _, k := range s.plan.Varies {
		header = append(header, k.Path)
	}
	header = append(header, "steps", "total", "train_loss", "valid_loss", "valid_loss_ema", "best_loss", "accuracy",
		"fid", "fid_low", "fid_high", "kid", "samples", "reference", "extractor", "floor_fid", "img_per_s", "minutes", "error")
	return atomicfile.Write(path, func(w io.Writer) error {
		out := csv.NewWriter(w)
		lines := [][]string{header}
		for _, r := range rows {
			line := []string{r.Run, string(r.Status)}
			for _, k := range s.plan.Varies {
				line = append(line, r.Keys[k.Path])
			}
			line = append(line, strconv.Itoa(r.Steps), strconv.Itoa(r.Total))
			for _, x := range []*float64{r.TrainLoss, r.ValidLoss, r.ValidEMA, r.Best, r.Accuracy} {
				line = append(line, number("%v", x))
			}
			line = append(line, r.scoreCells()...)
			lines = append(lines, append(line, positive("%v", r.ImgPerS), positive("%v", r.Minutes), r.Error))
		}
		return out.WriteAll(lines)
	})
}

// scoreCells are a score and its terms: fid to floor_fid.
func (r *SweepRow) scoreCells() []string {
	if r.Score == nil {
		return make([]string, 8)
	}
	l := r.Score
	var low, high, floor *float64
	if l.Interval != nil {
		low, high = &l.Interval[0], &l.Interval[1]
	}
	if l.Floor != nil {
		floor = &l.Floor.FID
	}
	return []string{
		number("%v", l.FID), number("%v", low), number("%v", high), number("%v", l.KID),
		strconv.Itoa(l.Samples), l.Reference.Name, l.Extractor.Name + "@" + l.Extractor.Hash, number("%v", floor),
	}
}
