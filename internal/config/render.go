package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// YAML renders the config so that Load reads the same values back. Equal
// configs render to equal bytes.
func (r *Resolved) YAML() []byte { return r.render(func(Key) string { return "" }) }

// Annotated is YAML with each value's source behind it.
func (r *Resolved) Annotated() []byte {
	return r.render(func(k Key) string { return string(r.Source[k.Path]) })
}

func (r *Resolved) render(comment func(Key) string) []byte {
	var b bytes.Buffer
	section := ""
	for _, k := range keys {
		name, indent := k.Path, ""
		if parent, leaf, nested := strings.Cut(k.Path, "."); nested {
			if parent != section {
				fmt.Fprintf(&b, "%s:\n", parent)
				section = parent
			}
			name, indent = leaf, "  "
		}
		line := indent + name + ": " + Literal(k.of(&r.Config))
		if c := comment(k); c != "" {
			line = fmt.Sprintf("%-40s # %s", line, c)
		}
		b.WriteString(line + "\n")
	}
	return b.Bytes()
}

// Literal writes a value of the schema as YAML.
func Literal(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return quoteIfNeeded(v.String())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case reflect.Slice, reflect.Array:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = Literal(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

// quoteIfNeeded quotes what YAML would not read back as the same string; all
// names of the schema are made of letters, digits, '.', '_' and '-'.
func quoteIfNeeded(s string) string {
	reserved := slices.Contains([]string{"", "true", "false", "null", "yes", "no", "on", "off"}, strings.ToLower(s))
	if reserved || !filename.MatchString(s) || number.MatchString(s) {
		return strconv.Quote(s)
	}
	return s
}

// Tree is the config as nested maps, for JSON.
func (r *Resolved) Tree() map[string]any {
	tree := map[string]any{}
	for _, k := range keys {
		plant(tree, strings.Split(k.Path, "."), k.of(&r.Config).Interface())
	}
	return tree
}

// Flat is every key's value as text, from "train.lr" to "0.01": for comparing
// configs and for tables.
func (r *Resolved) Flat() map[string]string {
	flat := make(map[string]string, len(keys))
	for _, k := range keys {
		flat[k.Path] = Literal(k.of(&r.Config))
	}
	return flat
}

// Drawing is how the config draws, as text: "sampler=ddim steps=100 …". Of one
// net, equal texts mean equal images; what changes none, the batch, is left out.
func (c *Config) Drawing() string {
	var words []string
	for _, k := range keys {
		if name, ok := strings.CutPrefix(k.Path, "sample."); ok && name != "batch" {
			words = append(words, name+"="+strings.ReplaceAll(Literal(k.of(c)), ", ", ","))
		}
	}
	return strings.Join(words, " ")
}
