package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"diffuse/internal/fault"
	"diffuse/internal/nearest"
)

// EnvPrefix begins the name of every variable that this program reads.
const EnvPrefix = "DIFFUSE_"

// OtherEnv are the variables that are not keys of the schema.
var OtherEnv = []string{
	"DIFFUSE_DATA", "DIFFUSE_RUNS", "DIFFUSE_DEVICE", "DIFFUSE_WORKERS", // flags' defaults
	"DIFFUSE_CACHE",   // features of real images
	"DIFFUSE_KERNELS", // the kernel set, where the best one is not wanted
	"DIFFUSE_GOLDEN",  // the tests' folder of golden values
}

// AlertEnv are the variables that notify.command is given. It may call this
// program, which heeds none of them.
var AlertEnv = []string{"DIFFUSE_RULE", "DIFFUSE_RUN", "DIFFUSE_VALUE", "DIFFUSE_STEP", "DIFFUSE_MESSAGE", "DIFFUSE_DIR"}

// LoadOptions say where values come from, the weakest first.
type LoadOptions struct {
	File  string     // path or bare name; empty is none
	Dir   string     // the folder File is seen from; empty is the working folder
	Env   []string   // NAME=value, as os.Environ returns them
	Set   []string   // key=value, as --set takes them
	Flags []Override // from a command's own flags
}

// Resolved is a config together with where each value came from.
type Resolved struct {
	Config
	File   string            // the file's name as errors call it
	Source map[string]Source // of every key
}

// Load resolves a config: a flag wins over --set, that over a DIFFUSE_*
// variable, that over the file, that over Default. Every key is known, every
// value of its key's type and in range, or there is an error of kind Usage that
// says where the first wrong thing stands. Load writes nothing.
func Load(o LoadOptions) (*Resolved, error) {
	r := &Resolved{Source: map[string]Source{}}
	v := viper.New()
	defaults := Default()
	for _, k := range keys {
		v.SetDefault(k.Path, k.of(&defaults).Interface())
		r.Source[k.Path] = FromDefault
	}
	if o.File != "" {
		file, text, err := shippedConfigs.find(o.File, o.Dir)
		if err != nil {
			return nil, err
		}
		r.File = file
		if err := r.merge(v, file, text); err != nil {
			return nil, err
		}
	}
	overrides, err := o.overrides()
	if err != nil {
		return nil, err
	}
	for _, over := range overrides {
		if err := r.override(v, over); err != nil {
			return nil, err
		}
	}
	if err := v.UnmarshalExact(&r.Config, sameTypes); err != nil {
		return nil, fmt.Errorf("resolve the config: %w", err)
	}
	if r.Name == "" && o.File != "" { // runs are called after their file
		r.Name = nameOf(r.File)
		r.Source["name"] = Source("the name of " + r.File)
	}
	return r, r.check()
}

// nameOf makes a name out of a file's.
func nameOf(file string) string {
	base := strings.TrimSuffix(filepath.Base(strings.TrimPrefix(file, embedded)), ".yaml")
	name := strings.TrimLeft(notInFilename.ReplaceAllString(base, "-"), "._-")
	return name[:min(64, len(name))]
}

// merge lays a file's values over the defaults.
func (r *Resolved) merge(v *viper.Viper, file string, text []byte) error {
	values, err := parse(file, text)
	if err != nil {
		return err
	}
	tree := map[string]any{}
	for _, k := range keys { // in the schema's order, so that the first error is always the same
		val, ok := values[k.Path]
		if !ok {
			continue
		}
		x, err := assign(k, val)
		if err != nil {
			return err
		}
		plant(tree, strings.Split(k.Path, "."), x)
		r.Source[k.Path] = val.source
	}
	return v.MergeConfigMap(tree)
}

// plant puts x at a path of nested maps.
func plant(tree map[string]any, path []string, x any) {
	if len(path) == 1 {
		tree[path[0]] = x
		return
	}
	below, ok := tree[path[0]].(map[string]any)
	if !ok {
		below = map[string]any{}
		tree[path[0]] = below
	}
	plant(below, path[1:], x)
}

// override lays one value from the command line or a variable over the rest.
func (r *Resolved) override(v *viper.Viper, o Override) error {
	k, ok := lookup(o.Key)
	if !ok {
		return unknownKey(o.From, o.Key)
	}
	x, err := assign(k, value{text: o.Value, style: typed, source: o.From})
	if err != nil {
		return err
	}
	v.Set(k.Path, x)
	r.Source[k.Path] = o.From
	return nil
}

// overrides are the variables, --set and flags, the weakest first.
func (o LoadOptions) overrides() ([]Override, error) {
	all, err := fromEnv(o.Env)
	if err != nil {
		return nil, err
	}
	for _, set := range o.Set {
		key, text, ok := strings.Cut(set, "=")
		if !ok {
			return nil, wrong("--set", "diffuse train --set train.lr=3e-4", "%q has no value, write key=value", set)
		}
		all = append(all, Override{strings.TrimSpace(key), strings.TrimSpace(text), "--set"})
	}
	return append(all, o.Flags...), nil
}

// fromEnv are the overrides among the variables. An empty variable is unset.
func fromEnv(env []string) ([]Override, error) {
	if err := CheckEnv(env); err != nil {
		return nil, err
	}
	byName := envNames()
	var all []Override
	for _, e := range env {
		name, text, _ := strings.Cut(e, "=")
		if key, ok := byName[name]; ok && text != "" {
			if k, _ := lookup(key); k.Secret && text != emptyString {
				text = "${" + name + "}" // whoever uses it looks it up then
			}
			all = append(all, Override{key, text, Source(name)})
		}
	}
	slices.SortFunc(all, func(a, b Override) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// CheckEnv refuses a DIFFUSE_* variable that nothing reads.
func CheckEnv(env []string) error {
	byName := envNames()
	inAlert := slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, AlertEnv[0]+"=") })
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if inAlert && slices.Contains(AlertEnv, name) { // alone, DIFFUSE_RUN is a slip
			continue
		}
		if !strings.HasPrefix(name, EnvPrefix) || byName[name] != "" || slices.Contains(OtherEnv, name) {
			continue
		}
		known := append(slices.Sorted(maps.Keys(byName)), OtherEnv...)
		return fault.New(fault.Usage, "unset "+name, "unknown variable %s%s", name, didYouMean(nearest.Name(name, known)))
	}
	return nil
}

// envNames maps DIFFUSE_TRAIN_LR to train.lr.
func envNames() map[string]string {
	names := make(map[string]string, len(keys))
	for _, k := range keys {
		names[k.Env()] = k.Path
	}
	return names
}

// sameTypes makes viper decode without conversions: mapstructure alone would
// read 3.7 as 3 and "3" as 3. Every value was made exact by assign before.
func sameTypes(c *mapstructure.DecoderConfig) {
	c.WeaklyTypedInput = false
	c.DecodeHook = func(from, to reflect.Value) (any, error) {
		if to.Kind() != reflect.Struct && from.Type() != to.Type() {
			return nil, fmt.Errorf("a %s where the schema has a %s", from.Type(), to.Type())
		}
		return from.Interface(), nil
	}
}
