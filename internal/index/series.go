package index

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"

	"diffuse/internal/fault"
)

// SeriesQuery asks for curves.
type SeriesQuery struct {
	Runs   []string
	Metric string   // one of StepMetrics or EpochMetrics
	X      string   // one of XAxes; empty is "step"
	From   *float64 // least x
	To     *float64 // greatest x
	After  *float64 // only what lies beyond this x
	Width  int      // most points of a curve, from 2 on
}

// Curve is the curve of one run. A point stands for neighbours: x is that of the
// last of them, mean, min and max are of the metric.
type Curve struct {
	Run    string    `json:"run"`
	Points int       `json:"points"` // how many there are in the range
	X      []float64 `json:"x"`
	Mean   []float64 `json:"mean"`
	Min    []float64 `json:"min"`
	Max    []float64 `json:"max"`
}

// The metrics, and what they can be drawn over.
var (
	StepMetrics  = []string{"loss", "lr", "grad_norm", "img_per_s", "memory"}
	EpochMetrics = []string{"train_loss", "valid_loss", "valid_loss_ema", "accuracy", "fid", "kid"}
	XAxes        = []string{"step", "images", "time"}
)

// columnOf is the column that holds an axis.
var columnOf = map[string]string{"": "step", "step": "step", "images": "images", "time": "seconds"}

// check refuses what there is no curve of.
func (q *SeriesQuery) check() error {
	if !slices.Contains(StepMetrics, q.Metric) && !slices.Contains(EpochMetrics, q.Metric) {
		return fault.New(fault.Usage, "", "metric must be one of %s, got %q", strings.Join(append(slices.Clone(StepMetrics), EpochMetrics...), ", "), q.Metric)
	}
	if columnOf[q.X] == "" {
		return fault.New(fault.Usage, "", "x must be one of %s, got %q", strings.Join(XAxes, ", "), q.X)
	}
	if q.Width < 2 {
		return fault.New(fault.Usage, "", "width must be at least 2, got %d", q.Width)
	}
	return nil
}

// Series are the curves of some runs, in their order. Errors are of kind
// fault.Usage where there is no such curve, fault.Checkpoint where there is no
// such run.
func (x *Index) Series(ctx context.Context, q SeriesQuery) ([]Curve, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	curves := make([]Curve, len(q.Runs))
	err := x.reading(ctx, func(db *sql.DB) error {
		faults := make([]error, len(q.Runs))
		var group sync.WaitGroup
		next := make(chan int)
		for range min(readers(), len(q.Runs)) {
			group.Go(func() {
				for i := range next {
					curves[i], faults[i] = curve(ctx, db, q, q.Runs[i])
				}
			})
		}
		for i := range q.Runs {
			next <- i
		}
		close(next)
		group.Wait()
		return cmp.Or(faults...)
	})
	return curves, err
}

// curve is one run's.
func curve(ctx context.Context, db *sql.DB, q SeriesQuery, name string) (Curve, error) {
	c := Curve{Run: name, X: []float64{}, Mean: []float64{}, Min: []float64{}, Max: []float64{}}
	var id int64
	err := db.QueryRowContext(ctx, `SELECT id FROM raw_run WHERE name = ?`, name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return c, fault.New(fault.Checkpoint, "diffuse runs list", "there is no run %s", name)
	}
	if err != nil {
		return c, err
	}
	s := source{ctx, db, id, columnOf[q.X]}
	var points []point
	span := 1
	if slices.Contains(StepMetrics, q.Metric) {
		points, span, err = s.steps(q)
	} else if points, err = s.epochs(q); err == nil {
		span = (len(points) + q.Width - 1) / q.Width
	}
	if err != nil {
		return c, err
	}
	c.thin(points, max(1, span))
	return c, nil
}

// point is one value, or what is known of neighbours.
type point struct {
	key           int // neighbours in a curve have the same key / span
	n             int
	x             float64 // the greatest
	sum, min, max float64
}

// thin joins neighbours to points of the curve.
func (c *Curve) thin(points []point, span int) {
	for len(points) > 0 {
		p := points[0]
		rest := points[1:]
		for len(rest) > 0 && rest[0].key/span == p.key/span {
			q := rest[0]
			p.n, p.sum = p.n+q.n, p.sum+q.sum
			p.x, p.min, p.max = max(p.x, q.x), min(p.min, q.min), max(p.max, q.max)
			rest = rest[1:]
		}
		points = rest
		mean := p.sum / float64(p.n)
		if math.IsInf(mean, 0) {
			mean = p.max // a sum beyond float64
		}
		c.Points += p.n
		c.X, c.Mean = append(c.X, p.x), append(c.Mean, mean)
		c.Min, c.Max = append(c.Min, p.min), append(c.Max, p.max)
	}
}

// source is where the points of one run come from.
type source struct {
	ctx context.Context
	db  *sql.DB
	run int64
	x   string // the column of the axis
}

// steps are the points of a metric of each step, at most so many in a range that
// a page can draw them after joining those of span steps.
func (s source) steps(q SeriesQuery) (points []point, span int, err error) {
	first, last, err := s.stepRange(q)
	if err != nil || first > last {
		return nil, 1, err
	}
	level := 1
	if n := last - first + 1; n > q.Width {
		span = (n + q.Width - 2) / (q.Width - 1) // spans begin at multiples: one is cut in two
		for _, l := range levels {
			if l <= span {
				level = l
			}
		}
		span = (span + level - 1) / level * level
	} else {
		span = 1
	}
	if level == 1 {
		points, err = s.raw(q.Metric, first, last)
		return points, span, err
	}
	// Whole buckets in the middle, single steps at the ends. The last bucket of a
	// run is as whole as it gets.
	from, to := (first-1+level-1)/level, last/level-1
	if q.To == nil {
		to = (last - 1) / level
	}
	if from > to {
		points, err = s.raw(q.Metric, first, last)
		return points, span, err
	}
	head, err1 := s.raw(q.Metric, first, from*level)
	middle, err2 := s.buckets(q.Metric, level, from, to)
	tail, err3 := s.raw(q.Metric, (to+1)*level+1, last)
	return slices.Concat(head, middle, tail), span, errors.Join(err1, err2, err3)
}

// raw are the single steps from first to last.
func (s source) raw(metric string, first, last int) ([]point, error) {
	if first > last {
		return nil, nil
	}
	return s.scan(`SELECT step - 1, 1, `+s.x+`, `+metric+`, `+metric+`, `+metric+` FROM raw_step
		WHERE run = ? AND step BETWEEN ? AND ? AND `+metric+` IS NOT NULL ORDER BY step, line`, s.run, first, last)
}

// buckets are those of a level.
func (s source) buckets(metric string, level, from, to int) ([]point, error) {
	n := "n"
	if metric == "memory" {
		n = "memory_n"
	}
	return s.scan(`SELECT bucket * level, `+n+`, `+s.x+`, `+metric+`_sum, `+metric+`_min, `+metric+`_max FROM raw_bucket
		WHERE run = ? AND level = ? AND bucket BETWEEN ? AND ? AND `+n+` > 0 ORDER BY bucket`, s.run, level, from, to)
}

func (s source) scan(query string, args ...any) ([]point, error) {
	rows, err := s.db.QueryContext(s.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var points []point
	for rows.Next() {
		var p point
		if err := rows.Scan(&p.key, &p.n, &p.x, &p.sum, &p.min, &p.max); err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	return points, rows.Err()
}

// stepRange is the range of steps whose x a query asks for.
func (s source) stepRange(q SeriesQuery) (first, last int, err error) {
	var least, greatest sql.NullInt64
	err = s.db.QueryRowContext(s.ctx, `SELECT (SELECT min(step) FROM raw_step WHERE run = ?1), (SELECT max(step) FROM raw_step WHERE run = ?1)`, s.run).
		Scan(&least, &greatest)
	if err != nil || !least.Valid {
		return 0, -1, err
	}
	first, last = int(least.Int64), int(greatest.Int64)
	for _, bound := range []struct {
		x       *float64
		beyond  bool // the first step beyond x, not at it
		isUpper bool
	}{{q.From, false, false}, {q.After, true, false}, {q.To, true, true}} {
		if bound.x == nil {
			continue
		}
		at, err := s.firstStep(int(least.Int64), int(greatest.Int64), *bound.x, bound.beyond)
		if err != nil {
			return 0, -1, err
		}
		if bound.isUpper {
			last = min(last, at-1)
		} else {
			first = max(first, at)
		}
	}
	return first, last, nil
}

// firstStep is the first step at or beyond an x, one more than last where there
// is none: x grows with the steps, so half of them are left out at a time.
func (s source) firstStep(first, last int, x float64, beyond bool) (int, error) {
	lo, hi := first, last+1
	for lo < hi {
		middle := lo + (hi-lo)/2
		var step int
		var at float64
		err := s.db.QueryRowContext(s.ctx, `SELECT step, `+s.x+` FROM raw_step WHERE run = ? AND step >= ? ORDER BY step LIMIT 1`, s.run, middle).Scan(&step, &at)
		if err != nil {
			return 0, err
		}
		if at < x || beyond && at == x {
			lo = step + 1
		} else {
			hi = middle
		}
	}
	return lo, nil
}

// epochs are the points of a metric of each epoch or score.
func (s source) epochs(q SeriesQuery) ([]point, error) {
	event := "epoch"
	if q.Metric == "fid" || q.Metric == "kid" {
		event = "score"
	}
	x := "e.step"
	if s.x != "step" {
		x = `(SELECT ` + s.x + ` FROM raw_step s WHERE s.run = e.run AND s.step <= e.step ORDER BY s.step DESC, s.line DESC LIMIT 1)`
	}
	rows, err := s.db.QueryContext(s.ctx, `SELECT x, y FROM (SELECT line, step, `+x+` AS x, body ->> '$.`+q.Metric+`' AS y FROM raw_event e
		WHERE run = ? AND event = ?) WHERE x IS NOT NULL AND y IS NOT NULL ORDER BY step, line`, s.run, event)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var points []point
	for rows.Next() {
		p := point{key: len(points), n: 1}
		if err := rows.Scan(&p.x, &p.sum); err != nil {
			return nil, err
		}
		if p.min, p.max = p.sum, p.sum; q.holds(p.x) {
			points = append(points, p)
		}
	}
	return points, rows.Err()
}

// holds tells whether an x is asked for.
func (q *SeriesQuery) holds(x float64) bool {
	return (q.From == nil || x >= *q.From) && (q.To == nil || x <= *q.To) && (q.After == nil || x > *q.After)
}
