package config

import (
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"diffuse/internal/nearest"
)

// entry is a key of a mapping, where it stands, and what it holds.
type entry struct {
	key  string
	from Source
	node ast.Node
}

// entries are those of a mapping that is called what.
func (w *walker) entries(what string, n ast.Node) ([]entry, error) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return nil, wrong(at(w.file, n), "", "%s must be a section of keys, such as \"train.lr: 1e-3\"", what)
	}
	var all []entry
	for _, e := range m.Values {
		key, ok := e.Key.(*ast.StringNode)
		if !ok {
			return nil, wrong(at(w.file, e.Key), "", "a key must be a plain name, got %q", e.Key.GetToken().Value)
		}
		all = append(all, entry{key.Value, at(w.file, key), e.Value})
	}
	return all, nil
}

// configName finds the config beside the file that names it; a bare name that is
// not there is left to Load, which knows more places.
func (w *walker) configName(e entry) (string, error) {
	v, err := w.value(e.node)
	if err != nil {
		return "", err
	}
	name, err := exactString(v)
	if err != nil || name == "" {
		return "", wrong(e.from, "config: quick.yaml", "config must be the name of a config, got %s", v)
	}
	return beside(w.file, name), nil
}

// overrides are the values of a section of the schema's keys.
func (w *walker) overrides(what string, n ast.Node) ([]Override, error) {
	entries, err := w.entries(what, n)
	if err != nil {
		return nil, err
	}
	all := make([]Override, len(entries))
	for i, e := range entries {
		if all[i], err = w.override(e, e.node); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// override is a value for the entry's key.
func (w *walker) override(e entry, n ast.Node) (Override, error) {
	k, ok := lookup(e.key)
	if !ok {
		return Override{}, unknownKey(e.from, e.key)
	}
	v, err := w.value(n)
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

// samples is how many images are scored; errors call the key what.
func (w *walker) samples(what string, e entry) (int, error) {
	n, err := exactly(w, what, e, exactInt)
	if err != nil {
		return 0, err
	}
	if n < 2 || n > 1_000_000 {
		return 0, wrong(at(w.file, e.node), "", "%s must be from 2 to 1000000, got %d", what, n)
	}
	return int(n), nil
}

// exactly is an entry's value as exact reads it; errors call the key what.
func exactly[T any](w *walker, what string, e entry, exact func(value) (T, error)) (T, error) {
	v, err := w.value(e.node)
	if err != nil {
		var none T
		return none, err
	}
	x, err := exact(v)
	if err != nil {
		err = wrong(v.source, "", "%s must be %v", what, err)
	}
	return x, err
}

// unknownEntry is the error of a key that the section called what, which has the
// keys known, does not have.
func unknownEntry(e entry, what string, known []string) error {
	return wrong(e.from, what+" has the keys "+strings.Join(known, ", "), "unknown key %s%s", e.key, didYouMean(nearest.Name(e.key, known)))
}
