package config

import (
	"reflect"
	"slices"
	"strings"
)

// Key is one leaf of the schema.
type Key struct {
	Path   string // "train.lr"
	Doc    string
	Type   reflect.Type
	Oneof  []string // the values it may have, where they are a list of names
	Secret bool     // its variable's value is shown and kept nowhere: ${VARIABLE} stands for it
	index  []int    // of the field in Config
}

// Env is the variable that sets the key: DIFFUSE_TRAIN_LR for train.lr.
func (k Key) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(k.Path, ".", "_"))
}

// of is the key's value in c.
func (k Key) of(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().FieldByIndex(k.index) }

// Keys are all keys, in the schema's order.
func Keys() []Key { return slices.Clone(keys) }

// Choices are the values that a key may have, where they are a list of names.
func Choices(path string) []string {
	k, _ := lookup(path)
	return slices.Clone(k.Oneof)
}

var keys = leaves(reflect.TypeFor[Config](), "", nil)

func leaves(t reflect.Type, prefix string, index []int) []Key {
	var ks []Key
	for i := range t.NumField() {
		f := t.Field(i)
		path, at := prefix+f.Tag.Get("mapstructure"), append(slices.Clone(index), i)
		if f.Type.Kind() == reflect.Struct {
			ks = append(ks, leaves(f.Type, path+".", at)...)
			continue
		}
		k := Key{Path: path, Doc: f.Tag.Get("doc"), Type: f.Type, Secret: f.Tag.Get("secret") == "true", index: at}
		if names, ok := strings.CutPrefix(f.Tag.Get("validate"), "oneof="); ok {
			k.Oneof = strings.Fields(names)
		}
		ks = append(ks, k)
	}
	return ks
}

func lookup(path string) (Key, bool) {
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Path == path })
	if i < 0 {
		return Key{}, false
	}
	return keys[i], true
}

// isSection says whether path is a section, such as "train".
func isSection(path string) bool {
	return slices.ContainsFunc(keys, func(k Key) bool { return strings.HasPrefix(k.Path, path+".") })
}

func paths() []string {
	ps := make([]string, len(keys))
	for i, k := range keys {
		ps[i] = k.Path
	}
	return ps
}
