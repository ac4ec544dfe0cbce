package config

import (
	"fmt"
	"slices"
	"strings"

	"diffuse/internal/fault"
	"diffuse/internal/nearest"
)

// Source says where a value comes from: "default", "fashion.yaml:12:3",
// "DIFFUSE_TRAIN_LR", "--set" or a flag such as "--epochs".
type Source string

// FromDefault is the source of a value that nothing set.
const FromDefault Source = "default"

// Override is a value from the command line.
type Override struct {
	Key   string // "train.epochs"
	Value string // as it was typed; a list is 16,32 or [16, 32]
	From  Source // "--epochs"
}

// wrong is a usage error about what src says.
func wrong(src Source, hint, format string, args ...any) error {
	return fault.New(fault.Usage, hint, "%s: %s", src, fmt.Sprintf(format, args...))
}

// unknownKey is the error for a key that is not in the schema.
func unknownKey(src Source, path string) error {
	hint := "diffuse config show lists every key"
	if isSection(path) {
		return wrong(src, hint, "%s is a section, not a key: set one of %s", path, strings.Join(within(path), ", "))
	}
	return wrong(src, hint, "unknown key %s%s", path, didYouMean(nearestKey(path)))
}

func within(section string) []string {
	var ps []string
	for _, p := range paths() {
		if strings.HasPrefix(p, section+".") {
			ps = append(ps, p)
		}
	}
	return ps
}

// nearestKey finds the key that a wrong one was meant to be: one with the same
// last name in another section, else the key or section of least edit distance.
func nearestKey(path string) string {
	last := path[strings.LastIndex(path, ".")+1:]
	names := paths()
	for _, p := range names {
		if strings.HasSuffix(p, "."+last) {
			return p
		}
	}
	for _, p := range paths() {
		if section, _, nested := strings.Cut(p, "."); nested && !slices.Contains(names, section) {
			names = append(names, section)
		}
	}
	return nearest.Name(path, names)
}

func didYouMean(name string) string {
	if name == "" {
		return ""
	}
	return ", did you mean " + name + "?"
}
