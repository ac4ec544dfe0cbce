package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"diffuse/internal/nearest"
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
	if len(text) > maxFile {
		return nil, wrong(Source(file), "", "too large for a sweep (more than %d KiB)", maxFile>>10)
	}
	body, err := parseYAML(file, text)
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
			err = p.config(e)
		case "set":
			p.sweep.Set, err = p.overrides("set", e.node)
		case "grid":
			err = p.grid(e.node)
		case "runs":
			err = p.runs(e)
		case "score":
			err = p.score(e)
		default:
			err = wrong(e.from, "a sweep has the keys "+strings.Join(sweepKeys, ", "), "unknown key %s%s", e.key, didYouMean(nearest.Name(e.key, sweepKeys)))
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

// entry is a key of a mapping, where it stands, and what it holds.
type entry struct {
	key  string
	from Source
	node ast.Node
}

// entries are those of a mapping that is called what.
func (p *sweepParser) entries(what string, n ast.Node) ([]entry, error) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return nil, wrong(at(p.file, n), "", "%s must be a section of keys, such as \"train.lr: 1e-3\"", what)
	}
	var all []entry
	for _, e := range m.Values {
		key, ok := e.Key.(*ast.StringNode)
		if !ok {
			return nil, wrong(at(p.file, e.Key), "", "a key must be a plain name, got %q", e.Key.GetToken().Value)
		}
		all = append(all, entry{key.Value, at(p.file, key), e.Value})
	}
	return all, nil
}

// config finds the config beside the sweep's file; a bare name that is not there
// is left to Load, which knows more places.
func (p *sweepParser) config(e entry) error {
	v, err := p.value(e.node)
	if err != nil {
		return err
	}
	name, err := exactString(v)
	if err != nil || name == "" {
		return wrong(e.from, "config: quick.yaml", "config must be the name of a config, got %s", v)
	}
	p.sweep.Config = beside(p.file, name)
	return nil
}

// overrides are the values of a section of the schema's keys.
func (p *sweepParser) overrides(what string, n ast.Node) ([]Override, error) {
	entries, err := p.entries(what, n)
	if err != nil {
		return nil, err
	}
	all := make([]Override, len(entries))
	for i, e := range entries {
		if all[i], err = p.override(e, e.node); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// override is a value for the entry's key.
func (p *sweepParser) override(e entry, n ast.Node) (Override, error) {
	k, ok := lookup(e.key)
	if !ok {
		return Override{}, unknownKey(e.from, e.key)
	}
	v, err := p.value(n)
	if err != nil {
		return Override{}, err
	}
	if v.style == null { // nothing stands nowhere
		v.source = e.from
	}
	x, err := assign(k, v)
	if err != nil {
		return Override{}, err
	}
	return Override{k.Path, textOf(x), v.source}, nil
}

// textOf is a value of the schema as it is typed.
func textOf(x any) string {
	if text, ok := x.(string); ok {
		return text
	}
	return Literal(reflect.ValueOf(x))
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
	k, _ := lookup("eval.samples")
	for _, e := range entries {
		if e.key != "samples" {
			return wrong(e.from, "score: {samples: 512}", "unknown key score.%s", e.key)
		}
		v, err := p.value(e.node)
		if err != nil {
			return err
		}
		n, err := exact(k.Type, v)
		if err != nil {
			return wrong(v.source, "", "score.samples must be %v", err)
		}
		if err := ranges.Var(n.Interface(), "min=2,max=1000000"); err != nil {
			return wrong(v.source, "", "score.samples must be from 2 to 1000000, got %s", strconv.FormatInt(n.Int(), 10))
		}
		p.sweep.Score.Samples = int(n.Int())
	}
	return nil
}
