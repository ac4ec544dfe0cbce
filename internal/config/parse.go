package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxFile bounds a config's size: what is larger is not a config, and the
// parser recurses once for each level of nesting.
const maxFile = 32 << 10

// parse reads a YAML file into its keys' values. It knows the schema's keys,
// not their types. Errors name file, line and column.
func parse(file string, text []byte) (map[string]value, error) {
	body, err := parseYAML("config", file, text)
	if err != nil {
		return nil, err
	}
	w := walker{file: file, values: map[string]value{}}
	if err := w.version(body); err != nil { // before a key of that version is called unknown
		return nil, err
	}
	if err := w.mapping("", body); err != nil {
		return nil, err
	}
	return w.values, nil
}

// parseYAML parses one document whose body is a mapping, of a file of this kind.
func parseYAML(kind, file string, text []byte) (body ast.Node, err error) {
	if len(text) > maxFile {
		return nil, wrong(Source(file), "", "too large for a %s (more than %d KiB)", kind, maxFile>>10)
	}
	defer func() { // the parser is not ours and the text is untrusted
		if p := recover(); p != nil {
			err = wrong(Source(file), "", "cannot parse this as YAML: %v", p)
		}
	}()
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return nil, wrong(Source(file), "diffuse config show fashion.yaml prints one to start from", "the file is empty")
	}
	if len(f.Docs) > 1 {
		return nil, wrong(at(file, f.Docs[1].Body), "", "a config is one YAML document, this is a second one")
	}
	return f.Docs[0].Body, nil
}

// syntaxError puts the parser's message behind file, line and column.
func syntaxError(file string, err error) error {
	if e, ok := errors.AsType[*yaml.SyntaxError](err); ok && e.Token != nil {
		line, _, _ := strings.Cut(e.Message, "\n")
		return wrong(position(file, e.Token), "", "%s", line)
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return wrong(Source(file), "", "%s", line)
}

// at is where a node begins. The tree puts a mapping at its first colon.
func at(file string, n ast.Node) Source {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return at(file, m.Values[0].Key)
	}
	if n == nil {
		return Source(file)
	}
	return position(file, n.GetToken())
}

func position(file string, t *token.Token) Source {
	if t == nil || t.Position == nil {
		return Source(file)
	}
	return Source(fmt.Sprintf("%s:%d:%d", file, t.Position.Line, t.Position.Column))
}

// walker collects the values of a document's keys.
type walker struct {
	file   string
	values map[string]value
}

// version refuses a file of another schema.
func (w *walker) version(body ast.Node) error {
	m, ok := body.(*ast.MappingNode)
	if !ok {
		return nil // mapping says so
	}
	for _, entry := range m.Values {
		if key, ok := entry.Key.(*ast.StringNode); !ok || key.Value != "version" {
			continue
		}
		if n, ok := entry.Value.(*ast.IntegerNode); ok && n.GetToken().Value != strconv.Itoa(Version) {
			return wrong(at(w.file, n), "", "this diffuse reads configs of version %d, this one is of version %s", Version, n.GetToken().Value)
		}
	}
	return nil
}

func (w *walker) mapping(prefix string, n ast.Node) error {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		what := "a config"
		if prefix != "" {
			what = strings.TrimSuffix(prefix, ".")
		}
		return wrong(at(w.file, n), "", "%s must be a section of keys, such as \"lr: 1e-3\"", what)
	}
	for _, entry := range m.Values {
		key, ok := entry.Key.(*ast.StringNode)
		if !ok {
			return wrong(at(w.file, entry.Key), "", "a key must be a plain name, got %q", entry.Key.GetToken().Value)
		}
		path := prefix + key.Value
		if isSection(path) {
			below := entry.Value
			if below.Type() == ast.NullType {
				return wrong(at(w.file, key), "", "the section %s is empty: leave it out or give it keys", path)
			}
			if err := w.mapping(path+".", below); err != nil {
				return err
			}
			continue
		}
		if _, ok := lookup(path); !ok {
			return unknownKey(at(w.file, key), path)
		}
		v, err := w.value(entry.Value)
		if err != nil {
			return err
		}
		if v.style == null { // "lr:" and nothing
			v.source = at(w.file, key)
		}
		w.values[path] = v
	}
	return nil
}

func (w *walker) value(n ast.Node) (value, error) {
	src := at(w.file, n)
	switch n := n.(type) {
	case *ast.SequenceNode:
		v := value{style: list, source: src}
		for _, item := range n.Values {
			i, err := w.value(item)
			if err != nil {
				return v, err
			}
			v.items = append(v.items, i)
		}
		return v, nil
	case *ast.MappingNode:
		return value{style: section, source: src}, nil
	case *ast.NullNode:
		return value{style: null, source: src}, nil
	case *ast.LiteralNode:
		return value{text: n.Value.Value, style: quoted, source: src}, nil
	case *ast.StringNode:
		v := value{text: n.Value, style: plain, source: src}
		if t := n.GetToken().Type; t == token.SingleQuoteType || t == token.DoubleQuoteType {
			v.style = quoted
		}
		return v, nil
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return value{}, wrong(src, "", "anchors, aliases and tags are not used in a config: write the value out")
	case ast.ScalarNode: // numbers, bools, infinities: their text, as it stands
		return value{text: n.GetToken().Value, style: plain, source: src}, nil
	}
	return value{}, wrong(src, "", "a value must be a number, a string, true, false or a list, got %q", n.GetToken().Value)
}
