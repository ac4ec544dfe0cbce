package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"diffuse/configs"
	"diffuse/internal/fault"
	"diffuse/internal/nearest"
)

// Embedded are the names of the configs in the binary.
func Embedded() []string {
	entries, err := fs.Glob(configs.FS, "*.yaml")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return entries
}

// find reads the config called name, as seen from the folder dir. A bare name
// is looked for there, then in configs below it, then in the binary; .yaml may
// be left out. It returns what errors call the file.
func find(name, dir string) (file string, text []byte, err error) {
	if name != filepath.Base(name) { // a path means that file and no other
		text, err = read(filepath.FromSlash(name), dir)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil, notFound(name)
		}
		return name, text, err
	}
	for _, path := range []string{name, name + ".yaml", filepath.Join("configs", name), filepath.Join("configs", name+".yaml")} {
		if text, err = read(path, dir); err == nil {
			return path, text, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return path, nil, err
		}
	}
	for _, path := range []string{name, name + ".yaml"} {
		if text, err = configs.FS.ReadFile(path); err == nil {
			return "embedded " + path, text, nil
		}
	}
	return name, nil, notFound(name)
}

func notFound(name string) error {
	names := Embedded()
	near := nearest.Name(strings.TrimSuffix(filepath.Base(name), ".yaml")+".yaml", names)
	return fault.New(fault.Usage, "embedded configs: "+strings.Join(names, ", "),
		"config %s: no such file%s", name, didYouMean(near))
}

// read reads a config as seen from dir. A folder does not count as one: the
// working folder may hold one called fashion.
func read(path, dir string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, fault.New(fault.Usage, "", "read the config: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fs.ErrNotExist
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fault.New(fault.Usage, "", "read the config: %w", err)
	}
	return slices.Clip(text), nil
}
