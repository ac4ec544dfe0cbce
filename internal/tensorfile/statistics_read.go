package tensorfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"diffuse/internal/fault"
)

// ReadStatistics reads an npz as pytorch-fid, numpy.savez, numpy.savez_compressed
// and WriteStatistics make it: mu of shape (d) and sigma of (d,d), float64 or
// float32. Other entries that are scalars of int64 or of text are kept, the rest is
// passed over unread. Errors name the file and the entry and are of kind fault.Data.
func ReadStatistics(path string) (*Statistics, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Data, "", "open statistics: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is not a file")
	}
	if err != nil {
		return nil, noStatistics(path, err)
	}
	return decodeStatistics(path, f, info.Size())
}

// DecodeStatistics is ReadStatistics of a file's content, which errors call name.
func DecodeStatistics(name string, content []byte) (*Statistics, error) {
	return decodeStatistics(name, bytes.NewReader(content), int64(len(content)))
}

func decodeStatistics(name string, r io.ReaderAt, size int64) (*Statistics, error) {
	s, err := readStatistics(r, size)
	if err != nil {
		return nil, noStatistics(name, err)
	}
	return s, nil
}

func noStatistics(name string, err error) error {
	return fault.New(fault.Data, "statistics are an npz with mu and sigma, as pytorch-fid --save-stats writes", "%s: %w", name, err)
}

func readStatistics(f io.ReaderAt, size int64) (*Statistics, error) {
	archive, err := zip.NewReader(f, size)
	if err != nil {
		return nil, fmt.Errorf("is no whole npz: %w", err)
	}
	members := map[string]*zip.File{}
	for _, m := range archive.File {
		name := strings.TrimSuffix(m.Name, ".npy")
		if members[name] != nil {
			return nil, fmt.Errorf("entry %s stands twice", name)
		}
		if err := checkMemberSize(m, uint64(size)); err != nil {
			return nil, fmt.Errorf("entry %s %w", name, err)
		}
		members[name] = m
	}
	s := &Statistics{Ints: map[string]int64{}, Texts: map[string]string{}}
	if s.Mu, err = readFloat64s(members, "mu", 1, -1); err != nil {
		return nil, err
	}
	if s.Sigma, err = readFloat64s(members, "sigma", 2, len(s.Mu)); err != nil {
		return nil, err
	}
	for _, m := range archive.File {
		name := strings.TrimSuffix(m.Name, ".npy")
		if err := s.readScalar(name, m); err != nil {
			return nil, fmt.Errorf("entry %s %w", name, err)
		}
	}
	return s, s.check()
}

// maxRatio is what deflate can make of a byte: 1032.
const maxRatio = 1032

// checkMemberSize refuses a size that the bytes in the zip cannot unfold to.
func checkMemberSize(m *zip.File, fileSize uint64) error {
	if m.CompressedSize64 > fileSize || m.UncompressedSize64/maxRatio > m.CompressedSize64 {
		return fmt.Errorf("claims %d bytes in %d: damaged", m.UncompressedSize64, m.CompressedSize64)
	}
	return nil
}

// readFloat64s reads entry name of dims dimensions, each of d elements; d -1 is any.
func readFloat64s(members map[string]*zip.File, name string, dims, d int) ([]float64, error) {
	m := members[name]
	if m == nil {
		return nil, fmt.Errorf("has no entry %s", name)
	}
	data, err := readSquare(m, dims, d)
	if err != nil {
		return nil, fmt.Errorf("entry %s %w", name, err)
	}
	return data, nil
}

func readSquare(m *zip.File, dims, d int) ([]float64, error) {
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	size := int64(min(m.UncompressedSize64, math.MaxInt64))
	h, err := readNPYHeader(r, size)
	if err != nil {
		return nil, err
	}
	if len(h.shape) != dims {
		return nil, fmt.Errorf("has shape %v, not %d dimensions", h.shape, dims)
	}
	if d < 0 {
		d = h.shape[0]
	}
	for _, n := range h.shape {
		if n != d || d > maxFeatures {
			return nil, fmt.Errorf("has shape %v, where mu has %d elements (at most %d)", h.shape, d, maxFeatures)
		}
	}
	e, err := h.entry(size, "<f8", "<f4")
	if err != nil {
		return nil, err
	}
	data := make([]float64, e.count())
	if err := readChunks(r, e.size(), data, doubleDecoders[e.dtype]); err != nil {
		return nil, err
	}
	return data, atEnd(r)
}

// atEnd reads on to the end, where the zip's checksum is compared.
func atEnd(r io.Reader) error {
	n, err := io.Copy(io.Discard, io.LimitReader(r, 1))
	if err == nil && n > 0 {
		err = errors.New("has bytes behind its elements")
	}
	return err
}

var npyText = regexp.MustCompile(`^<U([0-9]{1,4})$`)

// readScalar keeps a scalar of int64 or text; other entries are not read.
func (s *Statistics) readScalar(name string, m *zip.File) error {
	r, err := m.Open()
	if err != nil {
		return nil // some entry of another program
	}
	defer r.Close()
	h, err := readNPYHeader(r, int64(min(m.UncompressedSize64, math.MaxInt64)))
	if err != nil || len(h.shape) != 0 {
		return nil // nor is this one ours
	}
	if h.descr == "<i8" {
		var v int64
		if err := binary.Read(r, binary.LittleEndian, &v); err != nil {
			return fmt.Errorf("cannot be read: %w", err)
		}
		s.Ints[name] = v
		return atEnd(r)
	}
	if match := npyText.FindStringSubmatch(h.descr); match != nil {
		n, _ := strconv.Atoi(match[1]) // four digits
		runes := make([]rune, n)
		if err := binary.Read(r, binary.LittleEndian, runes); err != nil {
			return fmt.Errorf("cannot be read: %w", err)
		}
		s.Texts[name] = strings.TrimRight(string(runes), "\x00")
		return atEnd(r)
	}
	return nil
}
