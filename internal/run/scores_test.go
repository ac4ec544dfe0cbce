package run

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/eval"
	"diffuse/internal/judge"
	"diffuse/internal/kernel"
	"diffuse/internal/sample"
	"diffuse/internal/schedule"
	"diffuse/internal/train"
)

// told keeps the events that an observer passes on.
type told struct{ events []train.Event }

func (o *told) Observe(_ context.Context, e train.Event) error {
	o.events = append(o.events, e)
	return nil
}

// scorer is a Scores of a net that draws images of one value, 12 a score, which
// tells a log and the events that it returns.
func scorer(t *testing.T, f Folder, change func(c *config.Config)) (*Scores, *constantNet, *told) {
	t.Helper()
	c := config.Default()
	c.Data.Range, c.Sample.Sampler, c.Sample.Steps, c.Sample.Eta = [2]float64{0, 1}, "ddim", 3, 0
	c.Sample.Seed, c.Sample.Batch, c.Eval.Samples = 5, 4, 12
	if change != nil {
		change(&c)
	}
	s, err := schedule.New(c.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	e, err := judge.Fashion(kernel.Best())
	if err != nil {
		t.Fatal(err)
	}
	ref, err := judge.SetReference(dataset.FashionExtract, "", dataset.Test)
	if err != nil {
		t.Fatal(err)
	}
	j, err := judge.New(t.Context(), judge.Options{
		Extractor: e, Reference: ref, Store: judge.Store{Dir: scoresCache}, Kernels: kernel.Best().Name(), Workers: 2, Estimator: eval.KIDBlocks,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	l, err := OpenLog(f, Origin{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	events := new(told)
	net := &constantNet{value: .5, s: s}
	return &Scores{
		Net: net, Config: &c, Schedule: s, Shape: sample.Shape{H: 28, W: 28, C: 1}, Workers: 2, Judge: j, Told: []train.Observer{l, events},
	}, net, events
}

// scoresCache is shared by this package's tests: the reference is extracted once.
var scoresCache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "scores")
	if err != nil {
		panic(err)
	}
	scoresCache = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// logLines are the lines of a run's log.
func logLines(t *testing.T, f Folder) []string {
	t.Helper()
	b, err := os.ReadFile(f.LogPath())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// The cost is told once, before the first score; each score is a line of the log
// with all its terms, and the trainer hears of its FID.
func TestScoresAreTold(t *testing.T) {
	f := create(t)
	s, net, events := scorer(t, f, nil)
	first := &train.Evaluation{Grid: train.Grid{Epoch: 2, Step: 10, Net: net}}
	second := &train.Evaluation{Grid: train.Grid{Epoch: 4, Step: 20, Net: net}}
	observe(t, s, train.Started{}, train.Step{}, train.Grid{Net: net}, first)
	net.value = .1 // other weights
	observe(t, s, second)

	if len(events.events) != 3 {
		t.Fatalf("told %+v", events.events)
	}
	cost, ok := events.events[0].(ScoreCost)
	if !ok || cost.Images != 12 || cost.NetCalls != 3 || cost.Seconds <= 0 || cost.Seconds > 60 {
		t.Errorf("first told is %+v, want the cost", events.events[0])
	}
	scored, ok := events.events[1].(Scored)
	if !ok || scored.Epoch != 2 || scored.Step != 10 || scored.Weights != "raw" || scored.Score.Samples != 12 {
		t.Errorf("second told is %+v", events.events[1])
	}
	if first.FID == nil || *first.FID != *scored.Score.FID || second.FID == nil || *second.FID == *first.FID {
		t.Errorf("the trainer heard of %v and %v", first.FID, second.FID)
	}

	lines := logLines(t, f)
	if len(lines) != 2 {
		t.Fatalf("log %q", lines)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fid", "interval", "kid", "kid_stderr", "floor", "samples", "reference", "extractor", "seconds"} {
		if line[name] == nil {
			t.Errorf("the line has no %s: %s", name, lines[0])
		}
	}
	if line["event"] != "score" || line["epoch"] != 2. || line["step"] != 10. || line["weights"] != "raw" || line["fid"] != *first.FID {
		t.Errorf("line %s", lines[0])
	}
}

// What is scored is what the judge scores of the run's own seeds: drawn here.
func TestScoreIsOfTheRunsSeeds(t *testing.T) {
	s, net, _ := scorer(t, create(t), nil)
	e := &train.Evaluation{Grid: train.Grid{Epoch: 1, Step: 1, Net: net}}
	observe(t, s, train.Started{}, e)
	sampler, err := sample.New(s.Config.Sample, s.Schedule, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &judge.Drawn{
		Sampler: sampler, Nets: []sample.Pair{{Net: constantWorker{net}}}, ImgSize: s.Shape, Range: s.Config.Data.Range, Options: sample.Options{Batch: 1},
	}
	for seed := range uint64(12) {
		d.Seeds = append(d.Seeds, 5+seed)
	}
	want, err := s.Judge.Score(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if *e.FID != *want.FID {
		t.Errorf("FID %v, of the same seeds %v", *e.FID, *want.FID)
	}
	if !slices.Equal(s.drawn.Seeds, d.Seeds) {
		t.Errorf("seeds %v", s.drawn.Seeds)
	}
}

// Where there is a moving average its images are scored.
func TestScoreIsOfTheAverage(t *testing.T) {
	s, net, events := scorer(t, create(t), nil)
	raw := &train.Evaluation{Grid: train.Grid{Epoch: 1, Step: 1, Net: net}}
	observe(t, s, train.Started{}, raw)
	average := &train.Evaluation{Grid: train.Grid{Epoch: 2, Step: 2, Net: net, WithAverage: func(f func() error) error {
		net.value = .1
		defer func() { net.value = .5 }()
		return f()
	}}}
	observe(t, s, average)
	net.value = .1
	alone := &train.Evaluation{Grid: train.Grid{Epoch: 3, Step: 3, Net: net}}
	observe(t, s, alone)
	if *average.FID != *alone.FID || *average.FID == *raw.FID {
		t.Errorf("FID of the average %v, of its weights %v, of the raw ones %v", *average.FID, *alone.FID, *raw.FID)
	}
	if last := events.events[2].(Scored); last.Weights != "ema" {
		t.Errorf("told %+v", last)
	}
}

// A net that draws what is not finite ends no run; the next score is made.
func TestScoreThatFails(t *testing.T) {
	f := create(t)
	s, net, _ := scorer(t, f, nil)
	net.value = float32(math.NaN())
	bad := &train.Evaluation{Grid: train.Grid{Epoch: 1, Step: 5, Net: net}}
	observe(t, s, train.Started{}, bad)
	net.value = .5
	good := &train.Evaluation{Grid: train.Grid{Epoch: 2, Step: 10, Net: net}}
	observe(t, s, good)
	lines := logLines(t, f)
	says := func(line, event, rest string) bool {
		return strings.HasPrefix(line, `{"event":"`+event+`",`) && strings.Contains(line, rest)
	}
	if bad.FID != nil || good.FID == nil || len(lines) != 2 ||
		!says(lines[0], "score_failed", `"epoch":1,"step":5,"error":"`) || !says(lines[1], "score", `"epoch":2,"step":10,`) {
		t.Errorf("FIDs %v and %v, log %q", bad.FID, good.FID, lines)
	}
}

// Settings that no sampler can be made of end no run either: a training of hours
// must not be lost to its score.
func TestScoreThatCannotBegin(t *testing.T) {
	f := create(t)
	s, net, _ := scorer(t, f, func(c *config.Config) { c.Sample.Steps = 5000 })
	e := &train.Evaluation{Grid: train.Grid{Epoch: 6, Step: 30, Net: net}}
	observe(t, s, train.Started{Step: 5}, e)
	if lines := logLines(t, f); e.FID != nil || len(lines) != 1 || !strings.Contains(lines[0], `"step":5,"error":"`) {
		t.Errorf("FID %v, log %q", e.FID, lines)
	}
}

// Ctrl-C while images are drawn ends the score as it ends the run.
func TestScoreIsInterrupted(t *testing.T) {
	s, net, events := scorer(t, create(t), nil)
	observe(t, s, train.Started{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := &train.Evaluation{Grid: train.Grid{Epoch: 1, Step: 5, Net: net}}
	if err := s.Observe(ctx, e); !errors.Is(err, context.Canceled) || e.FID != nil {
		t.Errorf("FID %v, %v", e.FID, err)
	}
	for _, e := range events.events {
		if _, ok := e.(ScoreFailed); ok {
			t.Errorf("an interruption is told as a failure: %+v", e)
		}
	}
}
