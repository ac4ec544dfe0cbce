package dataset

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// IDX magic numbers: two zero bytes, type 8 (unsigned byte), number of dimensions.
// Source: yann.lecun.com/exdb/mnist, "the IDX file format".
const (
	idxLabels = 0x0801
	idxImages = 0x0803
)

// MaxImages bounds the count an IDX header may claim; Fashion-MNIST has 60,000.
const MaxImages = 100_000

// FashionSide is the height and the width of its images.
const FashionSide = 28

func openFashion(dir string, split Split) (*Set, error) {
	prefix := "train"
	if split == Test {
		prefix = "t10k"
	}
	imagesPath := filepath.Join(dir, prefix+"-"+imagesIDX)
	pixels, err := readIDX(imagesPath, idxImages, FashionSide, FashionSide)
	if err != nil {
		return nil, err
	}
	labelsPath := LabelsBeside(imagesPath)
	labels, err := readIDX(labelsPath, idxLabels)
	if err != nil {
		return nil, err
	}
	s, err := newSet(FashionMNIST, fashionClasses, FashionSide, FashionSide, 1, pixels, labels)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", labelsPath, err)
	}
	return s, nil
}

// readIDX reads path.gz, else path, and returns the items' bytes. Each item must
// have the dimensions dims.
func readIDX(path string, magic uint32, dims ...uint32) ([]uint8, error) {
	f, err := os.Open(path + ".gz")
	if errors.Is(err, fs.ErrNotExist) {
		if plain, plainErr := os.Open(path); plainErr == nil {
			f, err = plain, nil
		}
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := decodeMaybeGzip(f, magic, dims)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return data, nil
}

// decodeMaybeGzip goes by the first bytes, not by the name: browsers unpack a .gz
// and keep its name.
func decodeMaybeGzip(r io.Reader, magic uint32, dims []uint32) ([]uint8, error) {
	b := bufio.NewReader(r)
	head, _ := b.Peek(2)
	if string(head) != "\x1f\x8b" {
		return decodeIDX(b, magic, dims)
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, damaged(err)
	}
	return decodeIDX(z, magic, dims)
}

// decodeIDX reads to the end of r, so that gzip's checksum has been compared.
func decodeIDX(r io.Reader, magic uint32, dims []uint32) ([]uint8, error) {
	var is uint32
	if err := binary.Read(r, binary.BigEndian, &is); err != nil {
		return nil, damaged(err)
	}
	if is != magic {
		return nil, fmt.Errorf("begins with 0x%08x, not 0x%08x: not the IDX file it should be", is, magic)
	}
	head := make([]uint32, 1+len(dims))
	if err := binary.Read(r, binary.BigEndian, head); err != nil {
		return nil, damaged(err)
	}
	count, size := int64(head[0]), int64(1)
	if count == 0 || count > MaxImages {
		return nil, fmt.Errorf("claims %d items, there may be 1 to %d", count, MaxImages)
	}
	for i, want := range dims {
		if head[1+i] != want {
			return nil, fmt.Errorf("has images of %v pixels, not %v", head[1:], dims)
		}
		size *= int64(want)
	}
	// A lying file must not fill the memory: room is made for as much as the
	// real ones hold, and one byte more than promised is enough to know.
	const usual = 48 << 20
	data := bytes.NewBuffer(make([]byte, 0, min(count*size, usual)+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(r, count*size+1)); err != nil {
		return nil, damaged(err)
	}
	if n := int64(data.Len()); n != count*size {
		return nil, fmt.Errorf("claims %d items, %d bytes, and holds %s", count, count*size, held(n, count*size))
	}
	return data.Bytes(), nil
}

func held(n, want int64) string {
	if n > want {
		return "more"
	}
	return strconv.FormatInt(n, 10)
}

// damaged puts the errors of compress/gzip and io into a user's words.
func damaged(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("is cut off")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("is damaged: %w", err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}
