// Package sweep makes the runs of a sweep out of its file: which there are, what
// they are called, and which of them a shard takes. It trains nothing.
package sweep

import (
	"slices"

	"diffuse/internal/config"
	"diffuse/internal/fault"
)

// Run is one run of a sweep.
type Run struct {
	Name   string
	From   config.Source     // where the file asks for it
	Keys   []config.Override // those that make it differ from other runs
	Set    []config.Override // all that the file sets, the weakest first
	Config *config.Resolved
}

// Plan is all runs of a sweep: those of the list, then the grid's.
type Plan struct {
	Name   string
	Runs   []*Run
	Varies []config.Key // the keys whose values are not the same in all runs
}

// Loader resolves a sweep's config under what a run sets.
type Loader func(set ...config.Override) (*config.Resolved, error)

// maxRuns bounds a grid that was meant to be smaller.
const maxRuns = 10_000

// New expands a sweep and resolves the config of every run. Two runs of one
// config, and a config that cannot be, are errors of kind fault.Usage.
func New(s *config.Sweep, name string, load Loader) (*Plan, error) {
	if !config.IsName(name) {
		return nil, fault.New(fault.Usage, "--name my-sweep",
			"a sweep's name must be at most 64 letters, digits, '.', '_' and '-', and begin with a letter or digit, got %q", name)
	}
	p := &Plan{Name: name}
	for _, r := range s.Runs {
		p.Runs = append(p.Runs, &Run{From: r.From, Keys: r.Keys, Set: slices.Concat(s.Set, r.Keys)})
	}
	combinations, err := grid(s)
	if err != nil {
		return nil, err
	}
	for _, keys := range combinations {
		p.Runs = append(p.Runs, &Run{From: keys[0].From, Keys: keys, Set: slices.Concat(s.Set, keys)})
	}
	p.nameRuns()
	if err := p.resolve(load); err != nil {
		return nil, err
	}
	p.Varies = varying(p.Runs)
	return p, nil
}

// grid is every combination of the grid's values; the last key's change fastest.
func grid(s *config.Sweep) ([][]config.Override, error) {
	if len(s.Grid) == 0 {
		return nil, nil
	}
	all := [][]config.Override{nil}
	for _, axis := range s.Grid {
		if len(all)*len(axis.Values) > maxRuns {
			return nil, fault.New(fault.Usage, "", "%s: the grid has more than %d runs", axis.Values[0].From, maxRuns)
		}
		var longer [][]config.Override
		for _, keys := range all {
			for _, v := range axis.Values {
				longer = append(longer, append(slices.Clone(keys), v))
			}
		}
		all = longer
	}
	return all, nil
}

// resolve loads every run's config and refuses two that are the same.
func (p *Plan) resolve(load Loader) error {
	first := map[string]*Run{} // by what it computes
	for _, r := range p.Runs {
		var err error
		if r.Config, err = load(r.Set...); err != nil {
			return err
		}
		unnamed := *r.Config
		unnamed.Name = "" // decides nothing
		text := string(unnamed.YAML())
		if same := first[text]; same != nil {
			return fault.New(fault.Usage, "take one of them out", "%s: run %s has the same config as %s (%s)", r.From, r.Name, same.Name, same.From)
		}
		first[text] = r
	}
	return nil
}

// varying are the keys whose values differ between runs, in the schema's order.
func varying(runs []*Run) []config.Key {
	flat := make([]map[string]string, len(runs))
	for i, r := range runs {
		flat[i] = r.Config.Flat()
	}
	return slices.DeleteFunc(config.Keys(), func(k config.Key) bool {
		return k.Path == "name" || !slices.ContainsFunc(flat, func(f map[string]string) bool { return f[k.Path] != flat[0][k.Path] })
	})
}

// Values are a run's values of the keys that vary, as the config writes them.
func (p *Plan) Values(r *Run) map[string]string {
	flat, values := r.Config.Flat(), map[string]string{}
	for _, k := range p.Varies {
		values[k.Path] = flat[k.Path]
	}
	return values
}
