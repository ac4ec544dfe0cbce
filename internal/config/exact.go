package config

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"diffuse/internal/nearest"
)

// A value is what stood in a file or on the command line, before it has a type:
// one word, or a list of words.
type value struct {
	text   string
	style  style
	items  []value // of a list
	source Source
}

type style int

const (
	plain  style = iota // in a file, without quotes: 3 is a number, true a bool
	quoted              // in a file, with quotes: a string whatever it looks like
	typed               // on the command line or in a variable: what the key wants
	list
	null
	section // a mapping where a value should be
)

// number is YAML 1.2's decimal number. goccy/go-yaml reads 1e-2 as a string,
// 012 as octal and 1_000 as 1000, so numbers are read here, from their text.
var number = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// exact converts v to exactly the type t, without loss: no fraction becomes an
// integer, no string a number. Its errors complete "KEY must be ...".
func exact(t reflect.Type, v value) (reflect.Value, error) {
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return exactList(t, v)
	case reflect.Bool:
		b, err := exactBool(v)
		return reflect.ValueOf(b), err
	case reflect.String:
		s, err := exactString(v)
		return reflect.ValueOf(s), err
	case reflect.Int, reflect.Int64:
		n, err := exactInt(v)
		return reflect.ValueOf(n).Convert(t), err
	case reflect.Float64:
		x, err := exactFloat(v)
		return reflect.ValueOf(x), err
	}
	panic("config: the schema has a key of type " + t.String())
}

func exactList(t reflect.Type, v value) (reflect.Value, error) {
	items := v.items
	switch v.style {
	case typed: // 16,32 or [16, 32]
		items = splitList(v.text)
	case list:
	default:
		return reflect.Value{}, fmt.Errorf("a list, got %s", v)
	}
	out := reflect.New(t).Elem()
	if t.Kind() == reflect.Slice {
		out.Set(reflect.MakeSlice(t, len(items), len(items)))
	} else if len(items) != t.Len() {
		return reflect.Value{}, fmt.Errorf("a list of %d values, got %d", t.Len(), len(items))
	}
	for i, item := range items {
		e, err := exact(t.Elem(), item)
		if err != nil {
			return reflect.Value{}, fmt.Errorf("a list whose item %d is %w", i+1, err)
		}
		out.Index(i).Set(e)
	}
	return out, nil
}

func splitList(text string) []value {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSpace(strings.TrimSuffix(inner, "]"))
	}
	if text == "" {
		return nil
	}
	var vs []value
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if inner, err := strconv.Unquote(item); err == nil && strings.HasPrefix(item, `"`) { // as a config writes it
			item = inner
		}
		vs = append(vs, value{text: item, style: typed})
	}
	return vs
}

func exactBool(v value) (bool, error) {
	if v.style == plain || v.style == typed {
		switch v.text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return false, fmt.Errorf("true or false, got %s", v)
}

// emptyString is how a config writes a string of nothing, which may be typed too.
const emptyString = `""`

func exactString(v value) (string, error) {
	switch {
	case v.style == typed && v.text == emptyString:
		return "", nil
	case v.style == typed, v.style == quoted, v.style == plain && !v.isNumber() && !v.isBool():
		return v.text, nil
	}
	return "", fmt.Errorf("a string, got %s", v)
}

func exactInt(v value) (int64, error) {
	if !v.isNumber() {
		return 0, fmt.Errorf("a whole number, got %s", v)
	}
	if n, err := strconv.ParseInt(v.text, 10, 64); err == nil {
		return n, nil
	}
	// 1e5 is a whole number too, as long as a float64 holds it exactly.
	x, err := strconv.ParseFloat(v.text, 64)
	if err != nil || math.Abs(x) > 1<<53 {
		return 0, fmt.Errorf("a whole number of at most 64 bits, got %s", v.text)
	}
	if x != math.Trunc(x) {
		return 0, fmt.Errorf("a whole number, got %s", v.text)
	}
	return int64(x), nil
}

func exactFloat(v value) (float64, error) {
	if !v.isNumber() {
		return 0, fmt.Errorf("a number, got %s", v)
	}
	x, err := strconv.ParseFloat(v.text, 64)
	if err != nil {
		return 0, fmt.Errorf("a number that a float64 can hold, got %s", v.text)
	}
	return x, nil
}

func (v value) isNumber() bool {
	return (v.style == plain || v.style == typed) && number.MatchString(v.text)
}

func (v value) isBool() bool { return v.text == "true" || v.text == "false" }

// String says what v is, for an error.
func (v value) String() string {
	switch {
	case v.style == list:
		return "a list"
	case v.style == section:
		return "a section"
	case v.style == null, v.text == "" && v.style == typed:
		return "nothing"
	case v.isNumber():
		return "the number " + v.text
	case v.style == plain && v.isBool():
		return v.text
	}
	return strconv.Quote(v.text)
}

// assign is v as a value of the key, or an error that says where it stood.
func assign(k Key, v value) (any, error) {
	x, err := exact(k.Type, v)
	if err != nil {
		return nil, wrong(v.source, "", "%s must be %v", k.Path, err)
	}
	if name := x.String(); k.Oneof != nil && !slices.Contains(k.Oneof, name) {
		return nil, wrong(v.source, "", "%s must be one of %s, got %q%s",
			k.Path, strings.Join(k.Oneof, ", "), name, didYouMean(nearest.Name(name, k.Oneof)))
	}
	return x.Interface(), nil
}
