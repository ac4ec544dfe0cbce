package index

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"os"

	"diffuse/internal/run"
)

// Detail is all that the index says of one run besides its curves of steps.
type Detail struct {
	Run
	Attempts   []run.StartLine     `json:"attempts"`
	Epochs     []run.EpochLine     `json:"epochs"`
	Scores     []Score             `json:"scores"`
	Grids      []run.GridLine      `json:"grids"`
	Skipped    []run.NonFiniteLine `json:"skipped"`
	Alerts     []run.AlertLine     `json:"alerts"`
	Failures   []run.FailedLine    `json:"failures"`
	ConfigYAML string              `json:"config_yaml"`
}

// Score is a score with all its terms, and in one line.
type Score struct {
	run.ScoreLine
	Line string `json:"line"`
}

// maxConfig bounds what is shown of a config, bytes.
const maxConfig = 1 << 20

// Detail is one run in full. Errors are of kind fault.Checkpoint where there is
// none.
func (x *Index) Detail(ctx context.Context, name string) (*Detail, error) {
	r, err := x.Run(ctx, name)
	if err != nil {
		return nil, err
	}
	d := &Detail{
		Run: *r, Attempts: []run.StartLine{}, Epochs: []run.EpochLine{}, Scores: []Score{}, Grids: []run.GridLine{},
		Skipped: []run.NonFiniteLine{}, Alerts: []run.AlertLine{}, Failures: []run.FailedLine{},
	}
	err = x.reading(ctx, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, `SELECT event, body FROM raw_event WHERE run = ? ORDER BY line`, r.id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var event string
			var body []byte
			if err := rows.Scan(&event, &body); err != nil {
				return err
			}
			if err := d.add(event, body); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	d.ConfigYAML = readText(x.Folder(name).ConfigPath())
	return d, err
}

// add takes one event.
func (d *Detail) add(event string, body []byte) error {
	switch event {
	case "start":
		return addTo(&d.Attempts, body)
	case "epoch":
		return addTo(&d.Epochs, body)
	case "score":
		if err := addTo(&d.Scores, body); err != nil {
			return err
		}
		s := &d.Scores[len(d.Scores)-1]
		if s.Line = s.FIDLine(); s.Line == "" {
			s.Line = s.KIDLine()
		}
	case "grid":
		return addTo(&d.Grids, body)
	case "non_finite":
		return addTo(&d.Skipped, body)
	case "alert":
		return addTo(&d.Alerts, body)
	case "grid_failed", "score_failed":
		_ = addTo(&d.Failures, body) // run.Record does not read them: one that is none is left out
	}
	return nil
}

func addTo[T any](all *[]T, body []byte) error {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	*all = append(*all, v)
	return nil
}

// readText is the beginning of a file; empty where it cannot be read.
func readText(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig))
	if err != nil {
		return ""
	}
	return string(text)
}
