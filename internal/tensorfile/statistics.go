package tensorfile

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"diffuse/internal/atomicfile"
)

// Statistics are the mean and the covariance of d features, as pytorch-fid keeps
// them in an npz, and what else stands beside them.
type Statistics struct {
	Mu    []float64         // (d)
	Sigma []float64         // (d,d) row-major, symmetric
	Ints  map[string]int64  // scalars, such as the number of images
	Texts map[string]string // such as a hash of them
}

// maxFeatures bounds d: a covariance of 512 MB. Inception has 2048 features.
const maxFeatures = 8192

// WriteStatistics writes s as an npz that numpy.load reads without pickle: float64
// arrays mu and sigma, scalars of int64 and of text. A file that stood at path
// stays whole unless the new one is complete.
func WriteStatistics(path string, s *Statistics) error {
	members, err := s.members()
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		z := zip.NewWriter(w)
		for _, m := range members {
			// Stored: random numbers do not shrink.
			member, err := z.CreateHeader(&zip.FileHeader{Name: m.name + ".npy", Method: zip.Store})
			if err != nil {
				return err
			}
			if err := m.write(member); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

// npzMember is one array to write.
type npzMember struct {
	name  string
	descr string
	shape []int
	data  any // what encoding/binary writes
}

func (m npzMember) write(w io.Writer) error {
	if _, err := io.WriteString(w, npyHeader(m.descr, m.shape)); err != nil {
		return err
	}
	return binary.Write(w, binary.LittleEndian, m.data)
}

// members are s's arrays: mu, sigma, then the others by name.
func (s *Statistics) members() ([]npzMember, error) {
	d := len(s.Mu)
	if d > maxFeatures || len(s.Sigma) != d*d {
		return nil, fmt.Errorf("%d means with %d covariances", d, len(s.Sigma))
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	members := []npzMember{{"mu", "<f8", []int{d}, s.Mu}, {"sigma", "<f8", []int{d, d}, s.Sigma}}
	for _, name := range slices.Sorted(maps.Keys(s.Ints)) {
		members = append(members, npzMember{name, "<i8", nil, s.Ints[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Texts)) {
		text := s.Texts[name]
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return nil, fmt.Errorf("%s: %q is no text", name, text)
		}
		runes := []rune(text)
		if len(runes) == 0 {
			runes = []rune{0} // as NumPy pads
		}
		members = append(members, npzMember{name, fmt.Sprintf("<U%d", len(runes)), nil, runes})
	}
	seen := map[string]bool{}
	for _, m := range members {
		if seen[m.name] || m.name == "" {
			return nil, fmt.Errorf("entry %q stands twice, or has no name", m.name)
		}
		seen[m.name] = true
	}
	return members, nil
}

// check refuses what no features have as mean and covariance.
func (s *Statistics) check() error {
	if len(s.Mu) == 0 {
		return errors.New("mu is empty")
	}
	if i := slices.IndexFunc(s.Mu, notFinite); i >= 0 {
		return fmt.Errorf("mu[%d] is %v", i, s.Mu[i])
	}
	d := len(s.Mu)
	if i := slices.IndexFunc(s.Sigma, notFinite); i >= 0 {
		return fmt.Errorf("sigma[%d,%d] is %v", i/d, i%d, s.Sigma[i])
	}
	largest := 0.0
	for i := range d {
		v := s.Sigma[i*d+i]
		if v < 0 {
			return fmt.Errorf("sigma[%d,%d] is %v: no covariance", i, i, v)
		}
		largest = max(largest, v)
	}
	for i := range d {
		for j := range i { // sums in float32 need not agree to the last bit
			if a, b := s.Sigma[i*d+j], s.Sigma[j*d+i]; math.Abs(a-b) > 1e-5*largest {
				return fmt.Errorf("sigma is not symmetric: [%d,%d] is %v, [%d,%d] is %v", i, j, a, j, i, b)
			}
		}
	}
	return nil
}

func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
