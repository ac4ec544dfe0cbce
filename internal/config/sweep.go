package config

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// Sweep is what a sweep's file says: one config, and the keys that its runs set.
// Each key is in the schema and each value of its key's type.
type Sweep struct {
	File   string // as errors call it
	Name   string // the file's, made to begin the names of runs
	Config string // the config that every run starts from, as LoadOptions.File
	Set    []Override
	Runs   []SweepRun
	Grid   []Axis
	Score  *SweepScore // nil where no run is to be scored
}

// SweepRun is one run of a sweep's list.
type SweepRun struct {
	From Source
	Keys []Override
}

// Axis is a key of a sweep's grid and the values it takes, one at least.
type Axis struct {
	Key    string
	Values []Override
}

// SweepScore says how the runs of a sweep are scored when they end.
type SweepScore struct {
	From    Source
	Samples int // how many images are drawn
}

// sweepKeys are the keys of a sweep's file.
var sweepKeys = []string{"config", "set", "grid", "runs", "score"}

// LoadSweep reads a sweep's file: a path, or the name of one in ./configs/sweeps
// or in the binary. Errors are of kind Usage and say where the first wrong thing
// stands. Whether values are in range and fit each other, Load says of each run.
func LoadSweep(name string) (*Sweep, error) {
	file, text, err := shippedSweeps.find(name, "")
	if err != nil {
		return nil, err
	}
	return parseSweep(file, text)
}

// parseSweep reads a sweep from the text of its file.
func parseSweep(file string, text []byte) (*Sweep, error) {
	body, err := parseYAML("sweep", file, text)
	if err != nil {
		return nil, err
	}
	p := &sweepParser{walker: walker{file: file}, sweep: &Sweep{File: file, Name: nameOf(file)}}
	return p.sweep, p.parse(body)
}

// sweepParser fills a sweep from its file.
type sweepParser struct {
	walker
	sweep *Sweep
}

func (p *sweepParser) parse(body ast.Node) error {
	entries, err := p.entries("a sweep", body)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.key {
		case "config":
			p.sweep.Config, err = p.configName(e)
		case "set":
			p.sweep.Set, err = p.overrides("set", e.node)
		case "grid":
			err = p.grid(e.node)
		case "runs":
			err = p.runs(e)
		case "score":
			err = p.score(e)
		default:
			err = unknownEntry(e, "a sweep", sweepKeys)
		}
		if err != nil {
			return err
		}
	}
	switch s := p.sweep; {
	case s.Config == "":
		return wrong(Source(s.File), "config: quick.yaml", "the key config is missing: what every run starts from")
	case len(s.Grid) == 0 && len(s.Runs) == 0:
		return wrong(Source(s.File), "grid: {train.seed: [1, 2, 3]}", "there is nothing to run: a sweep needs a grid, or a list of runs")
	}
	return nil
}

// grid reads each key's list of values, none of them twice.
func (p *sweepParser) grid(n ast.Node) error {
	entries, err := p.entries("grid", n)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, ok := lookup(e.key); !ok {
			return unknownKey(e.from, e.key)
		}
		list, ok := e.node.(*ast.SequenceNode)
		if !ok || len(list.Values) == 0 {
			return wrong(e.from, "grid: {train.seed: [1, 2, 3]}", "the grid's %s must be a list of values, one at least", e.key)
		}
		axis := Axis{Key: e.key}
		for _, item := range list.Values {
			o, err := p.override(e, item)
			if err != nil {
				return err
			}
			if i := slices.IndexFunc(axis.Values, func(v Override) bool { return v.Value == o.Value }); i >= 0 {
				return wrong(o.From, "", "the grid's %s has %s twice (%s)", e.key, o.Value, axis.Values[i].From)
			}
			axis.Values = append(axis.Values, o)
		}
		p.sweep.Grid = append(p.sweep.Grid, axis)
	}
	return nil
}

// runs reads the list of sets of keys; an empty set is the config itself.
func (p *sweepParser) runs(e entry) error {
	list, ok := e.node.(*ast.SequenceNode)
	if !ok {
		return wrong(e.from, "runs: [{schedule.kind: cosine}]", "runs must be a list of sets of keys")
	}
	for _, item := range list.Values {
		keys, err := p.overrides("a run", item)
		if err != nil {
			return err
		}
		p.sweep.Runs = append(p.sweep.Runs, SweepRun{at(p.file, item), keys})
	}
	return nil
}

// score reads how many images are scored, as many as diffuse fid does where
// nothing is said.
func (p *sweepParser) score(e entry) error {
	p.sweep.Score = &SweepScore{From: e.from, Samples: Default().Eval.Samples}
	entries, err := p.entries("score", e.node)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.key != "samples" {
			return wrong(e.from, "score: {samples: 512}", "unknown key score.%s", e.key)
		}
		if p.sweep.Score.Samples, err = p.samples("score.samples", e); err != nil {
			return err
		}
	}
	return nil
}
