package tensorfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxHeader is the largest header the reference implementation reads.
const maxHeader = 100_000_000

// maxDims bounds a tensor's number of dimensions; no array library has more.
const maxDims = 64

// header is a checked safetensors header.
type header struct {
	size    int64 // where the data begins in the file
	meta    map[string]string
	entries []entry // sorted by offset
}

// readHeader reads and checks the header of a file of so many bytes.
func readHeader(r io.ReaderAt, fileSize uint64) (*header, error) {
	var lengthBytes [8]byte
	if fileSize < 8 {
		return nil, fmt.Errorf("is no safetensors file: it has %d bytes", fileSize)
	}
	if _, err := r.ReadAt(lengthBytes[:], 0); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint64(lengthBytes[:])
	if length > fileSize-8 {
		return nil, fmt.Errorf("header of %d bytes is larger than the file (%d bytes): truncated, or no safetensors file", length, fileSize)
	}
	if length > maxHeader {
		return nil, fmt.Errorf("header of %d bytes is larger than the format allows (%d)", length, maxHeader)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(r, 8, int64(length)), text); err != nil {
		return nil, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	h.size = int64(8 + length)
	return h, checkTiling(h.entries, fileSize-8-length)
}

// parseHeader parses the JSON object {"__metadata__": {text: text}, NAME: {dtype,
// shape, data_offsets}, ...}. It goes token by token: json.Unmarshal would let a
// second tensor of a name silently replace the first.
func parseHeader(text []byte) (*header, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("is not UTF-8")
	}
	if len(text) == 0 || text[0] != '{' {
		return nil, errors.New("does not begin with {")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	h := &header{meta: map[string]string{}}
	err := eachKey(d, func(name string) (err error) {
		if name == metadataKey {
			h.meta, err = parseMeta(d)
			return err
		}
		e, err := parseEntry(d, name)
		h.entries = append(h.entries, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	rest := text[d.InputOffset():]
	if len(bytes.TrimRight(rest, " ")) > 0 {
		return nil, errors.New("has something after the closing }")
	}
	slices.SortStableFunc(h.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	return h, nil
}

// eachKey calls value for each key of the object that stands next in d; value
// must consume the key's value.
func eachKey(d *json.Decoder, value func(key string) error) error {
	if tok, err := d.Token(); err != nil {
		return tokenError(err)
	} else if tok != json.Delim('{') {
		return errors.New("is no JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return tokenError(err)
		}
		key, ok := tok.(string)
		if !ok {
			return fmt.Errorf("has %v where a name should be", tok)
		}
		if seen[key] {
			return fmt.Errorf("%q stands twice", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	_, err := d.Token()
	return tokenError(err)
}

// tokenError says a cut-off header plainly.
func tokenError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("is cut off")
	}
	return err
}

func parseMeta(d *json.Decoder) (map[string]string, error) {
	meta := map[string]string{}
	err := eachKey(d, func(key string) error {
		tok, err := d.Token()
		if err != nil {
			return tokenError(err)
		}
		text, ok := tok.(string)
		if !ok {
			return fmt.Errorf("is %v, not text", tok)
		}
		meta[key] = text
		return nil
	})
	return meta, err
}

func parseEntry(d *json.Decoder, name string) (entry, error) {
	e := entry{name: name}
	have := map[string]bool{}
	err := eachKey(d, func(key string) error {
		have[key] = true
		switch key {
		case "dtype":
			tok, err := d.Token()
			if err != nil {
				return tokenError(err)
			}
			e.dtype, _ = tok.(string)
			if dtypeSize[e.dtype] == 0 {
				return fmt.Errorf("%v is not known", tok)
			}
		case "shape":
			dims, err := parseNumbers(d, maxDims)
			for _, n := range dims {
				if n > math.MaxInt {
					return fmt.Errorf("%d is too large", n)
				}
				e.shape = append(e.shape, int(n))
			}
			return err
		case "data_offsets":
			offsets, err := parseNumbers(d, 2)
			if err != nil {
				return err
			}
			if len(offsets) != 2 {
				return fmt.Errorf("has %d numbers, not 2", len(offsets))
			}
			e.begin, e.end = offsets[0], offsets[1]
		default:
			return errors.New("is not part of the format")
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if !have[key] {
			return e, fmt.Errorf("has no %s", key)
		}
	}
	return e, e.check()
}

// parseNumbers reads an array of at most limit whole numbers in [0, 2^64).
func parseNumbers(d *json.Decoder, limit int) ([]uint64, error) {
	if tok, err := d.Token(); err != nil {
		return nil, tokenError(err)
	} else if tok != json.Delim('[') {
		return nil, fmt.Errorf("is %v, not a list", tok)
	}
	var numbers []uint64
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return nil, tokenError(err)
		}
		text, ok := tok.(json.Number)
		if !ok {
			return nil, fmt.Errorf("has %v where a number should be", tok)
		}
		n, err := strconv.ParseUint(text.String(), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not a whole number from 0 to 2^64-1", text)
		}
		if len(numbers) == limit {
			return nil, fmt.Errorf("has more than %d numbers", limit)
		}
		numbers = append(numbers, n)
	}
	_, err := d.Token()
	return numbers, tokenError(err)
}

// check compares the entry's dtype and shape with its offsets, without overflow.
func (e *entry) check() error {
	if e.begin > e.end {
		return fmt.Errorf("data_offsets [%d,%d] run backwards", e.begin, e.end)
	}
	bytes, err := e.bytes()
	if err != nil {
		return err
	}
	if bytes != e.end-e.begin {
		return fmt.Errorf("%s of shape %v takes %d bytes, data_offsets [%d,%d] hold %d", e.dtype, e.shape, bytes, e.begin, e.end, e.end-e.begin)
	}
	return nil
}

// bytes is what dtype and shape say that the elements take.
func (e *entry) bytes() (uint64, error) {
	bytes := dtypeSize[e.dtype]
	for _, d := range e.shape {
		over, product := bits.Mul64(bytes, uint64(d))
		if over != 0 {
			return 0, fmt.Errorf("shape %v overflows", e.shape)
		}
		bytes = product
	}
	if bytes > math.MaxInt { // only where int has 32 bits can a file be that long
		return 0, fmt.Errorf("takes %d bytes, more than this machine can address", bytes)
	}
	return bytes, nil
}

// checkTiling demands that the entries, sorted by offset, cover the data from
// first byte to last, with no hole and no overlap.
func checkTiling(entries []entry, dataSize uint64) error {
	var at uint64
	for _, e := range entries {
		switch {
		case e.end > dataSize:
			return fmt.Errorf("tensor %q ends at byte %d of the data, the file has %d: truncated?", e.name, e.end, dataSize)
		case e.begin < at:
			return fmt.Errorf("tensor %q begins at byte %d, inside the tensor before it", e.name, e.begin)
		case e.begin > at:
			return fmt.Errorf("tensor %q begins at byte %d, leaving a hole after byte %d", e.name, e.begin, at)
		}
		at = e.end
	}
	if at != dataSize {
		return fmt.Errorf("%d bytes follow the last tensor", dataSize-at)
	}
	return nil
}
