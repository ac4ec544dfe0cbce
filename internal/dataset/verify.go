package dataset

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"diffuse/internal/dataset/download"
	"diffuse/internal/fault"
)

// Report is what Verify found.
type Report struct {
	Name  string       `json:"name"`
	Files []FileReport `json:"files"`
	Train Content      `json:"train"`
	Test  Content      `json:"test"`
}

// Official tells whether every file found is the authors' own, bit for bit.
func (r *Report) Official() bool {
	for _, f := range r.Files {
		if !f.Official {
			return false
		}
	}
	return true
}

// FileReport is one file of a data set's folder.
type FileReport struct {
	Path     string `json:"path"`
	Bytes    int64  `json:"bytes"`
	Official bool   `json:"official"` // size and hashes are the authors'
}

// Content is what a split holds.
type Content struct {
	Images   int    `json:"images"`
	PerClass []int  `json:"per_class"`
	Hash     string `json:"sha256"` // Set.Hash
}

// PerClass counts the images of each class.
func (s *Set) PerClass() []int {
	count := make([]int, len(s.Classes))
	for _, l := range s.Labels {
		count[l]++
	}
	return count
}

// Verify compares the files of a data set with the official hashes and reads both
// splits whole. A file of the official size and other bytes is damaged: an error
// of kind fault.Data, as is whatever Open refuses. A file of another size, such as
// a shortened batch, is reported as not official.
func Verify(name, dir string) (*Report, error) {
	r := &Report{Name: name, Files: []FileReport{}}
	source := sources[name]
	for _, f := range slices.Concat(source.Files, source.Others) {
		for _, folder := range []string{Folder(dir, name), filepath.Join(Folder(dir, name), cifarFolder)} {
			found, err := verifyFile(f, filepath.Join(folder, f.Name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fault.New(fault.Data, "diffuse data fetch "+name, "%s: damaged in %s: %w", name, folder, err)
			}
			r.Files = append(r.Files, found)
		}
	}
	var err error
	if r.Train, err = contentOf(name, dir, Train); err != nil {
		return nil, err
	}
	r.Test, err = contentOf(name, dir, Test)
	return r, err
}

func contentOf(name, dir string, split Split) (Content, error) {
	s, err := Open(name, dir, split)
	if err != nil {
		return Content{}, err
	}
	return Content{s.N, s.PerClass(), s.Hash}, nil
}

func verifyFile(f download.File, path string) (FileReport, error) {
	info, err := os.Stat(path)
	if err != nil {
		return FileReport{}, err
	}
	found := FileReport{Path: path, Bytes: info.Size()}
	if info.Size() != f.Size {
		return found, nil
	}
	if err := f.Check(path); err != nil {
		return found, err
	}
	found.Official = true
	return found, nil
}
