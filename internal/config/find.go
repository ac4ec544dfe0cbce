package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"diffuse/configs"
	"diffuse/internal/fault"
	"diffuse/internal/nearest"
)

// Embedded are the names of the configs in the binary.
func Embedded() []string { return shippedConfigs.names() }

// EmbeddedSweeps are the names of the sweeps in the binary.
func EmbeddedSweeps() []string { return shippedSweeps.names() }

// embedded begins what errors call a file of the binary.
const embedded = "embedded "

// Shipped names a config of the binary for LoadOptions.File, whatever files of
// its name there are.
func Shipped(name string) string { return embedded + name }

// shelf is where files of a kind are shipped: in a folder of configs.
type shelf struct{ kind, folder string }

var (
	shippedConfigs = shelf{"config", "."}
	shippedSweeps  = shelf{"sweep", "sweeps"}
	shippedRecipes = shelf{"recipe", "recipes"}
)

// names are those of the shelf's files in the binary.
func (s shelf) names() []string {
	paths, err := fs.Glob(configs.FS, path.Join(s.folder, "*.yaml"))
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for i, p := range paths {
		paths[i] = path.Base(p)
	}
	return paths
}

// find reads the file called name, as seen from the folder dir. A bare name is
// looked for there, then on the shelf below it, then in the binary; .yaml may be
// left out. It returns what errors call the file, by which it is found again.
func (s shelf) find(name, dir string) (file string, text []byte, err error) {
	if base, ok := strings.CutPrefix(name, embedded); ok {
		if text, err = configs.FS.ReadFile(path.Join(s.folder, base)); err == nil {
			return name, text, nil
		}
	}
	if name != filepath.Base(name) { // a path means that file and no other
		text, err = read(filepath.FromSlash(name), dir)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil, s.notFound(name)
		}
		return name, text, err
	}
	below := filepath.Join("configs", s.folder)
	for _, path := range []string{name, name + ".yaml", filepath.Join(below, name), filepath.Join(below, name+".yaml")} {
		if text, err = read(path, dir); err == nil {
			return path, text, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return path, nil, err
		}
	}
	for _, base := range []string{name, name + ".yaml"} {
		if text, err = configs.FS.ReadFile(path.Join(s.folder, base)); err == nil {
			return embedded + base, text, nil
		}
	}
	return name, nil, s.notFound(name)
}

func (s shelf) notFound(name string) error {
	names := s.names()
	near := nearest.Name(strings.TrimSuffix(filepath.Base(name), ".yaml")+".yaml", names)
	return fault.New(fault.Usage, "embedded "+s.kind+"s: "+strings.Join(names, ", "),
		"%s %s: no such file%s", s.kind, name, didYouMean(near))
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

// beside is a config that a file names: the path of one in the file's folder, or
// the name as it stands where there is none and it is a bare one.
func beside(file, name string) string {
	folder, inBinary := filepath.Dir(file), strings.HasPrefix(file, embedded)
	if filepath.IsAbs(name) || inBinary {
		return name
	}
	for _, path := range []string{name, name + ".yaml"} {
		path = filepath.Join(folder, filepath.FromSlash(path))
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	if name == filepath.Base(name) {
		return name
	}
	return filepath.Join(folder, filepath.FromSlash(name))
}
