package index

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"diffuse/internal/config"
	"diffuse/internal/fault"
	"diffuse/internal/nearest"
)

// filter is a condition on runs: all of its terms hold.
type filter []term

// term is one comparison, such as fid < 4.
type term struct{ field, operator, value string }

// operators, the longer ones before those that they begin with.
var operators = []string{"<=", ">=", "!=", "=", "<", ">", "~"}

// parseFilter reads terms with "and" between them. A value with spaces or
// operators in it stands in quotes.
func parseFilter(text string) (filter, error) {
	words, err := splitFilter(text)
	if err != nil {
		return nil, err
	}
	var f filter
	for i := 0; i < len(words); i += 4 {
		if i+2 >= len(words) || !slices.Contains(operators, words[i+1]) || i+3 < len(words) && (!strings.EqualFold(words[i+3], "and") || i+4 >= len(words)) {
			return nil, wrongFilter("filter %q: must be terms such as %q with \"and\" between them", text, "fid < 4")
		}
		if err := checkField(words[i]); err != nil {
			return nil, err
		}
		f = append(f, term{words[i], words[i+1], unquote(words[i+2])})
	}
	return f, nil
}

func wrongFilter(format string, args ...any) error {
	return fault.New(fault.Usage, "status = finished and fid < 4 and tag = good", format, args...)
}

// splitFilter cuts a filter into fields, operators and values.
func splitFilter(text string) (words []string, err error) {
	for {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if text == "" {
			return words, nil
		}
		n := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("<>=!~'\"", r) })
		switch i := slices.IndexFunc(operators, func(op string) bool { return strings.HasPrefix(text, op) }); {
		case i >= 0:
			n = len(operators[i])
		case text[0] == '\'' || text[0] == '"':
			end := strings.IndexByte(text[1:], text[0])
			if end < 0 {
				return nil, wrongFilter("filter: a quote is not closed: %s", text)
			}
			n = end + 2
		case n < 0:
			n = len(text)
		case n == 0:
			return nil, wrongFilter("filter: no operator begins with %q, they are %s", text[:1], strings.Join(operators, " "))
		}
		words, text = append(words, text[:n]), text[n:]
	}
}

func unquote(word string) string {
	if len(word) >= 2 && (word[0] == '\'' || word[0] == '"') {
		return word[1 : len(word)-1]
	}
	return word
}

// Fields are the names of a Run's fields, in their order. They can be filtered and
// sorted by, like keys of the config.
func Fields() []string { return slices.Clone(fieldNames) }

// fieldNames are the names of fields that hold one value; fieldOf is where each
// stands in a Run.
var fieldNames, fieldOf = func() ([]string, map[string]int) {
	var names []string
	at := map[string]int{}
	t := reflect.TypeFor[Run]()
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("json")
		if name == "" || name == "tags" || name == "config" {
			continue
		}
		names, at[name] = append(names, name), i
	}
	return names, at
}()

// checkField refuses what is neither a field nor a key of the config.
func checkField(name string) error {
	known := append(Fields(), "tag")
	for _, k := range config.Keys() {
		known = append(known, k.Path)
	}
	if slices.Contains(known, name) {
		return nil
	}
	hint := "fields are " + strings.Join(append(Fields(), "tag"), ", ") + " and keys of the config"
	if near := nearest.Name(name, known); near != "" {
		return fault.New(fault.Usage, hint, "runs have no field %q, did you mean %s?", name, near)
	}
	return fault.New(fault.Usage, hint, "runs have no field %q", name)
}

// Field is a field's value, or that of a key of the config: a string, a float64,
// or nil where it is not known.
func (r *Run) Field(name string) any {
	i, ok := fieldOf[name]
	if !ok {
		if name == "tags" {
			return strings.Join(r.Tags, ",")
		}
		if text, ok := r.Config[name]; ok {
			if n, err := strconv.ParseFloat(text, 64); err == nil {
				return n
			}
			return text
		}
		return nil
	}
	v := reflect.ValueOf(r).Elem().Field(i)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Float64:
		return v.Float()
	default:
		return float64(v.Int())
	}
}

// accepts tells whether all terms hold.
func (f filter) accepts(r *Run) bool {
	return !slices.ContainsFunc(f, func(t term) bool { return !t.accepts(r) })
}

func (t term) accepts(r *Run) bool {
	if t.field == "tag" {
		return t.acceptsTag(r.Tags)
	}
	value := r.Field(t.field)
	if value == nil {
		return t.operator == "!="
	}
	if t.operator == "~" {
		return strings.Contains(strings.ToLower(text(value)), strings.ToLower(t.value))
	}
	number, isNumber := value.(float64)
	if want, err := strconv.ParseFloat(t.value, 64); isNumber && err == nil {
		return t.holds(cmp.Compare(number, want))
	}
	return t.holds(cmp.Compare(text(value), t.value))
}

// acceptsTag: = and ~ ask for one tag that fits, != for none.
func (t term) acceptsTag(tags []string) bool {
	has := slices.ContainsFunc(tags, func(tag string) bool {
		if t.operator == "~" {
			return strings.Contains(strings.ToLower(tag), strings.ToLower(t.value))
		}
		return tag == t.value
	})
	return has == (t.operator != "!=")
}

// holds tells what an operator says of an order.
func (t term) holds(order int) bool {
	switch t.operator {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	default:
		return order >= 0
	}
}

// text is a value as it is compared with text.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// parseSort reads an order of runs: by a field or key, falling with "-" before
// it; runs without the value come last. An empty one leaves them as they are.
func parseSort(text string) (func(a, b Run) int, error) {
	if text == "" {
		return func(Run, Run) int { return 0 }, nil
	}
	name, falling := strings.CutPrefix(text, "-")
	if err := checkField(name); err != nil {
		return nil, err
	}
	if name == "tag" {
		name = "tags"
	}
	return func(a, b Run) int {
		x, y := a.Field(name), b.Field(name)
		if x == nil || y == nil {
			return cmp.Compare(boolToInt(x == nil), boolToInt(y == nil))
		}
		order := compare(x, y)
		if falling {
			return -order
		}
		return order
	}, nil
}

// compare orders numbers before texts.
func compare(x, y any) int {
	a, isNumber := x.(float64)
	b, alsoNumber := y.(float64)
	if isNumber && alsoNumber {
		return cmp.Compare(a, b)
	}
	if isNumber != alsoNumber {
		return boolToInt(alsoNumber) - boolToInt(isNumber)
	}
	return cmp.Compare(text(x), text(y))
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
