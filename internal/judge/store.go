package judge

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"

	"diffuse/internal/atomicfile"
	"diffuse/internal/eval"
)

// A Store keeps features and floors on disk, each under the hash of all that it
// depends on:
//
//	features-KEY.f32   rows of float32, little-endian, as many as KEY.json says
//	features-KEY.json  what they are of, and the SHA-256 of the rows
//	floor-KEY.json     a floor, and a hash of its numbers
//
// What does not agree with its hash is made anew.
type Store struct{ Dir string }

// Key is the name of what these terms make.
func Key(terms any) string {
	b, _ := json.Marshal(terms) // strings and numbers
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// featureTerms are what features depend on.
type featureTerms struct {
	Images    string // their hash
	Extractor string // its weights' hash
	Features  string // which of its layers
	Precision string
	Kernels   string // other sets give other roundings
}

// stored is the file beside the rows.
type storedNote struct {
	Terms  featureTerms
	Name   string // of the images, for people
	N, Dim int
	SHA256 string
}

// writer writes rows to a file that has no name yet.
type writer struct {
	file *os.File
	buf  *bufio.Writer
	sum  hash.Hash
	dim  int
	n    int
}

// newWriter makes one in the folder; without one, among the system's
// temporary files.
func (s Store) newWriter(dim int) (*writer, error) {
	if s.Dir != "" {
		if err := os.MkdirAll(s.Dir, 0o777); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(s.Dir, ".features-*.f32")
	if err != nil {
		return nil, err
	}
	w := &writer{file: f, sum: sha256.New(), dim: dim}
	w.buf = bufio.NewWriterSize(io.MultiWriter(f, w.sum), 1<<16)
	return w, nil
}

func (w *writer) add(rows []float32) error {
	var b [4]byte
	for _, v := range rows {
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
		if _, err := w.buf.Write(b[:]); err != nil {
			return fmt.Errorf("store features: %w", err)
		}
	}
	w.n += len(rows) / w.dim
	return nil
}

// Rows are features in a file; Close lets it go.
type Rows struct {
	eval.Source
	file *os.File
	temp bool
}

// Close closes the file, and removes it where nothing else will find it.
func (r *Rows) Close() {
	_ = r.file.Close()
	if r.temp {
		os.Remove(r.file.Name())
	}
}

// rows ends the writing; the file is gone when they are closed, unless keep
// names it before.
func (w *writer) rows() (*Rows, error) {
	if err := w.buf.Flush(); err != nil {
		return nil, fmt.Errorf("store features: %w", err)
	}
	return &Rows{Source: eval.Stored(w.file, 0, w.n, w.dim), file: w.file, temp: true}, nil
}

// discard ends a writing that failed.
func (w *writer) discard() {
	_ = w.file.Close()
	os.Remove(w.file.Name())
}

func (s Store) rowsPath(k string) string { return filepath.Join(s.Dir, "features-"+k+".f32") }
func (s Store) notePath(k string) string { return filepath.Join(s.Dir, "features-"+k+".json") }

// keep gives what w has written its name.
func (s Store) keep(w *writer, r *Rows, terms featureTerms, name string) error {
	k := Key(terms)
	if err := errors.Join(w.file.Sync(), os.Rename(w.file.Name(), s.rowsPath(k))); err != nil {
		return err
	}
	r.temp = false
	note := storedNote{terms, name, w.n, w.dim, hex.EncodeToString(w.sum.Sum(nil))}
	return atomicfile.WriteJSON(s.notePath(k), note)
}

// find opens what is stored under terms; nil where there is nothing, or nothing
// that can be trusted.
func (s Store) find(terms featureTerms, dim int) *Rows {
	k := Key(terms)
	var note storedNote
	if s.Dir == "" || !readJSON(s.notePath(k), &note) || note.Terms != terms || note.Dim != dim {
		return nil
	}
	f, err := os.Open(s.rowsPath(k))
	if err != nil {
		return nil
	}
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil || size != 4*int64(note.N)*int64(dim) || hex.EncodeToString(h.Sum(nil)) != note.SHA256 {
		_ = f.Close()
		return nil
	}
	return &Rows{Source: eval.Stored(f, 0, note.N, dim), file: f}
}

// readJSON reads a file into v, and tells whether it could.
func readJSON(path string, v any) bool {
	b, err := os.ReadFile(path)
	return err == nil && json.Unmarshal(b, v) == nil
}

func (s Store) floorPath(k string) string { return filepath.Join(s.Dir, "floor-"+k+".json") }

// storedFloor is a floor and the hash of its name and numbers.
type storedFloor struct {
	Floor eval.Floor
	Hash  string
}

func floorHash(k string, f eval.Floor) string { return Key([]any{k, f}) }

// readFloor finds what is stored under k, and tells whether it can be trusted.
func (s Store) readFloor(k string, f *eval.Floor) bool {
	var stored storedFloor
	if s.Dir == "" || !readJSON(s.floorPath(k), &stored) || stored.Hash != floorHash(k, stored.Floor) {
		return false
	}
	*f = stored.Floor
	return true
}

// writeFloor keeps a floor, where there is a folder.
func (s Store) writeFloor(k string, f eval.Floor) error {
	if s.Dir == "" {
		return nil
	}
	return atomicfile.WriteJSON(s.floorPath(k), storedFloor{f, floorHash(k, f)})
}
