package index

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"slices"

	"diffuse/internal/fault"
	"diffuse/internal/run"
)

// Unreadable is the status of a run whose config or log cannot be read; its error
// says why.
const Unreadable = "unreadable"

// Run is what is known of a run in one line. A number that is not known is nil.
// docs/api.md says what each field means.
type Run struct {
	Name       string `json:"name"`
	Status     string `json:"status"`
	Created    string `json:"created"` // RFC 3339, UTC
	Updated    string `json:"updated"`
	ConfigName string `json:"config_name"`
	Data       string `json:"data"`
	Kind       string `json:"kind"`
	Precision  string `json:"precision"`
	Parameters int    `json:"parameters"`

	Step        int      `json:"step"`
	Total       int      `json:"total"`
	Epoch       int      `json:"epoch"`
	Images      int      `json:"images"`
	Loss        *float64 `json:"loss"` // the mean of the last 50 steps
	LR          *float64 `json:"lr"`
	GradNorm    *float64 `json:"grad_norm"`
	ImgPerS     *float64 `json:"img_per_s"`
	Memory      *int64   `json:"memory"`
	Seconds     float64  `json:"seconds"`
	SecondsLeft *float64 `json:"seconds_left"` // while it runs

	TrainLoss *float64 `json:"train_loss"`
	ValidLoss *float64 `json:"valid_loss"`
	ValidEMA  *float64 `json:"valid_loss_ema"`
	BestLoss  *float64 `json:"best_loss"`
	Accuracy  *float64 `json:"accuracy"`
	FID       *float64 `json:"fid"`
	KID       *float64 `json:"kid"`
	Score     string   `json:"score"`

	Tags    []string          `json:"tags"`
	Note    string            `json:"note"`
	Error   string            `json:"error"`
	Damaged int               `json:"damaged"`
	Config  map[string]string `json:"config"`

	id    int64
	steps int // rows
}

// Query asks for some of the runs.
type Query struct {
	Filter string // see docs/api.md; empty lets all through
	Sort   string // a field of a Run or a key of the config, "-" before it for falling; empty is the newest first
	Limit  int    // 0 is no limit
	Offset int
}

// Runs are the runs that a query lets through, and how many there are without
// limit and offset. Errors of the query are of kind fault.Usage.
func (x *Index) Runs(ctx context.Context, q Query) (runs []Run, total int, err error) {
	f, err := parseFilter(q.Filter)
	if err != nil {
		return nil, 0, err
	}
	order, err := parseSort(q.Sort)
	if err != nil {
		return nil, 0, err
	}
	all, err := x.all(ctx, "")
	if err != nil {
		return nil, 0, err
	}
	runs = slices.DeleteFunc(all, func(r Run) bool { return !f.accepts(&r) })
	slices.SortStableFunc(runs, order)
	total = len(runs)
	runs = runs[min(max(q.Offset, 0), total):]
	if q.Limit > 0 {
		runs = runs[:min(q.Limit, len(runs))]
	}
	return runs, total, nil
}

// Run is one run. Errors are of kind fault.Checkpoint where there is none.
func (x *Index) Run(ctx context.Context, name string) (*Run, error) {
	runs, err := x.all(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, fault.New(fault.Checkpoint, "diffuse runs list", "there is no run %s", name)
	}
	return &runs[0], nil
}

// Folder is a run's folder.
func (x *Index) Folder(name string) run.Folder {
	return run.Folder{Dir: filepath.Join(x.runs, name), Name: name}
}

const selectRuns = `SELECT id, name, running, status, coalesce(nullif(conf_error, ''), log_error), error, created, updated, config, tags, note, damaged,
	parameters, total, step, epoch, images, seconds, pace, loss, lr, grad_norm, img_per_s, memory,
	train_loss, valid_loss, valid_loss_ema, best_loss, accuracy, fid, kid, score, steps
	FROM raw_run WHERE ?1 = '' OR name = ?1 ORDER BY created DESC, name`

// all are all runs, the newest first, or the one of a name.
func (x *Index) all(ctx context.Context, name string) (runs []Run, err error) {
	err = x.reading(ctx, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, selectRuns, name)
		if err != nil {
			return err
		}
		defer rows.Close()
		runs = []Run{}
		for rows.Next() {
			r, err := scanRun(rows)
			if err != nil {
				return err
			}
			if r.Status != Unreadable && r.Status != string(run.Running) && x.Folder(r.Name).Locked() {
				r.Status = string(run.Running) // since the last Refresh
			}
			runs = append(runs, r)
		}
		return rows.Err()
	})
	return runs, err
}

func scanRun(rows *sql.Rows) (r Run, err error) {
	var running bool
	var unreadable, values, tags string
	var pace *float64
	err = rows.Scan(&r.id, &r.Name, &running, &r.Status, &unreadable, &r.Error, &r.Created, &r.Updated, &values, &tags, &r.Note, &r.Damaged,
		&r.Parameters, &r.Total, &r.Step, &r.Epoch, &r.Images, &r.Seconds, &pace, &r.Loss, &r.LR, &r.GradNorm, &r.ImgPerS, &r.Memory,
		&r.TrainLoss, &r.ValidLoss, &r.ValidEMA, &r.BestLoss, &r.Accuracy, &r.FID, &r.KID, &r.Score, &r.steps)
	if err != nil {
		return r, err
	}
	r.Loss, pace = finite(r.Loss), finite(pace) // sums of what a strange log may hold
	if err := errors.Join(json.Unmarshal([]byte(values), &r.Config), json.Unmarshal([]byte(tags), &r.Tags)); err != nil {
		return r, err
	}
	r.ConfigName, r.Data, r.Kind, r.Precision = r.Config["name"], r.Config["data.set"], r.Config["model.kind"], r.Config["train.precision"]
	switch {
	case unreadable != "":
		r.Status, r.Error = Unreadable, unreadable
	case running:
		r.Status = string(run.Running)
		if pace != nil {
			left := *pace * float64(max(0, r.Total-r.Step))
			r.SecondsLeft = &left
		}
	}
	return r, nil
}

// finite is x, or nil where it is no number for JSON.
func finite(x *float64) *float64 {
	if x == nil || math.IsInf(*x, 0) || math.IsNaN(*x) {
		return nil
	}
	return x
}

// Difference is a key of the config that two runs have different values of; nil
// is none.
type Difference struct {
	Key string  `json:"key"`
	A   *string `json:"a"`
	B   *string `json:"b"`
}

// Diff are the keys that the configs of two runs differ in, sorted. A run's name
// in its config is no difference of what it computes, and is told like any other.
func (x *Index) Diff(ctx context.Context, a, b string) ([]Difference, error) {
	var configs [2]map[string]string
	for i, name := range []string{a, b} {
		r, err := x.Run(ctx, name)
		if err != nil {
			return nil, err
		}
		configs[i] = r.Config
	}
	value := func(c map[string]string, key string) *string {
		if v, ok := c[key]; ok {
			return &v
		}
		return nil
	}
	diff := []Difference{}
	for key, v := range configs[0] {
		if w, ok := configs[1][key]; !ok || v != w {
			diff = append(diff, Difference{key, &v, value(configs[1], key)})
		}
	}
	for key, w := range configs[1] {
		if _, ok := configs[0][key]; !ok {
			diff = append(diff, Difference{key, nil, &w})
		}
	}
	slices.SortFunc(diff, func(a, b Difference) int { return cmp.Compare(a.Key, b.Key) })
	return diff, nil
}
