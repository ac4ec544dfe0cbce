package cli

import (
	"slices"

	"diffuse/internal/run"
	"diffuse/internal/sweep"
)

// missing is the status of a run that has no folder yet; unreadable that of one
// whose record, or config, is not what it should be.
const (
	missing    run.Status = "missing"
	unreadable run.Status = "unreadable"
)

// SweepRow is what a sweep's table says of a run. Losses are mean squared errors
// an element, a classifier's cross-entropies an image.
type SweepRow struct {
	Run       string            `json:"run"`
	Status    run.Status        `json:"status"`
	Keys      map[string]string `json:"keys"` // that vary in the sweep, as the config writes them
	Steps     int               `json:"steps"`
	Total     int               `json:"total"`
	TrainLoss *float64          `json:"train_loss"`
	ValidLoss *float64          `json:"valid_loss"`
	ValidEMA  *float64          `json:"valid_loss_ema,omitempty"`
	Best      *float64          `json:"best_loss"`
	Accuracy  *float64          `json:"accuracy,omitempty"`
	Score     *run.ScoreLine    `json:"score,omitempty"`
	ImgPerS   float64           `json:"img_per_s"`
	Minutes   float64           `json:"minutes"` // of training steps
	Error     string            `json:"error,omitempty"`
}

// SweepMean is what runs that differ in seeds only have in common.
type SweepMean struct {
	Keys      map[string]string `json:"keys"` // that vary, but for seeds
	Runs      int               `json:"runs"` // finished ones
	TrainLoss *sweep.Spread     `json:"train_loss,omitempty"`
	ValidLoss *sweep.Spread     `json:"valid_loss,omitempty"`
	Best      *sweep.Spread     `json:"best_loss,omitempty"`
	Accuracy  *sweep.Spread     `json:"accuracy,omitempty"`
	FID       *sweep.Spread     `json:"fid,omitempty"`
	KID       *sweep.Spread     `json:"kid,omitempty"`
}

// row reads a run's record. What is wrong with it stands in the row.
func (s *sweeping) row(r *sweep.Run) *SweepRow {
	row := &SweepRow{Run: r.Name, Status: missing, Keys: s.plan.Values(r)}
	record, err := s.look(r)
	if err != nil {
		row.Status, row.Error = unreadable, err.Error()
		return row
	}
	if record == nil {
		return row
	}
	row.Status, row.Steps, row.Total = record.Status, record.LastStep(), record.Start().Total
	row.Score = s.scoreOf(r, record)
	if record.End != nil {
		row.Error = record.End.Error
	}
	if e := record.LastEpoch(); e != nil {
		row.TrainLoss, row.ValidLoss, row.ValidEMA, row.Accuracy = e.TrainLoss, e.ValidLoss, e.ValidEMA, e.Accuracy
	}
	row.Best = bestLoss(record)
	if seconds := record.Seconds(); seconds > 0 {
		row.ImgPerS = round(float64(record.Steps[len(record.Steps)-1].Images)/seconds, 4)
		row.Minutes = round(seconds/60, 4)
	}
	return row
}

// bestLoss is the lowest validation loss, of the averaged weights where there
// are any; nil before there is one.
func bestLoss(record *run.Record) *float64 {
	for _, e := range slices.Backward(record.Epochs) {
		switch {
		case e.Best && e.ValidEMA != nil:
			return e.ValidEMA
		case e.Best:
			return e.ValidLoss
		}
	}
	return nil
}

// setting is the finished runs that differ in seeds only, and what they share.
type setting struct {
	keys map[string]string // that vary, but for seeds
	done []*SweepRow
}

// settings are those of all rows.
func (s *sweeping) settings(rows []*SweepRow) (all []setting) {
	byName := map[string]*SweepRow{}
	for _, r := range rows {
		byName[r.Run] = r
	}
	for _, group := range s.plan.Settings() {
		g := setting{keys: map[string]string{}}
		for _, r := range group {
			if row := byName[r.Name]; row.Status == run.Finished {
				g.done = append(g.done, row)
			}
		}
		for key, value := range byName[group[0].Name].Keys {
			if !sweep.IsSeed(key) {
				g.keys[key] = value
			}
		}
		all = append(all, g)
	}
	return all
}

// means are over the finished runs that differ in seeds only; nil where no seed varies.
func (s *sweeping) means(settings []setting) (means []*SweepMean) {
	if s.plan.Groups() == nil {
		return nil
	}
	for _, g := range settings {
		m := &SweepMean{Keys: g.keys}
		m.fill(g.done)
		means = append(means, m)
	}
	return means
}

func (m *SweepMean) fill(rows []*SweepRow) {
	m.Runs = len(rows)
	over := func(of func(*SweepRow) *float64) *sweep.Spread {
		var x []float64
		for _, r := range rows {
			if v := of(r); v != nil {
				x = append(x, *v)
			}
		}
		return sweep.SpreadOf(x)
	}
	m.TrainLoss = over(func(r *SweepRow) *float64 { return r.TrainLoss })
	m.ValidLoss = over(func(r *SweepRow) *float64 { return r.ValidLoss })
	m.Best = over(func(r *SweepRow) *float64 { return r.Best })
	m.Accuracy = over(func(r *SweepRow) *float64 { return r.Accuracy })
	if alike(rows) {
		m.FID = over(func(r *SweepRow) *float64 { return r.fid() })
		m.KID = over(func(r *SweepRow) *float64 { return r.kid() })
	}
}

// alike tells whether the rows' scores mean the same.
func alike(rows []*SweepRow) bool {
	var first *run.ScoreLine
	for _, r := range rows {
		switch {
		case r.Score == nil:
		case first == nil:
			first = r.Score
		default:
			if same, _ := first.Comparable(r.Score); !same {
				return false
			}
		}
	}
	return true
}

func (r *SweepRow) fid() *float64 {
	if r.Score == nil {
		return nil
	}
	return r.Score.FID
}

func (r *SweepRow) kid() *float64 {
	if r.Score == nil {
		return nil
	}
	return r.Score.KID
}
