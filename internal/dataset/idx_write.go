package dataset

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"diffuse/internal/atomicfile"
)

// What the names of IDX files end in, before .gz.
const (
	imagesIDX = "images-idx3-ubyte"
	labelsIDX = "labels-idx1-ubyte"
)

// IsIDX tells whether a file of this name holds images as Fashion-MNIST's do:
// train-images-idx3-ubyte, t10k-images-idx3-ubyte.gz and the like.
func IsIDX(path string) bool { return strings.HasSuffix(strings.TrimSuffix(path, ".gz"), imagesIDX) }

// LabelsBeside is the file of the labels of the images in path, which IsIDX.
func LabelsBeside(path string) string {
	dir, name := filepath.Split(path)
	return dir + strings.Replace(name, imagesIDX, labelsIDX, 1)
}

// WriteIDX writes images of h×w pixels, back to back, one byte a pixel, to path and
// their labels beside it, gzipped where path, which IsIDX, ends in .gz. Open reads
// them as it reads Fashion-MNIST.
func WriteIDX(path string, h, w int, pixels, labels []uint8) error {
	if len(labels)*h*w != len(pixels) {
		return fmt.Errorf("write %s: %d labels for %d bytes of images of %d×%d", path, len(labels), len(pixels), h, w)
	}
	n := uint32(len(labels))                                                                     //nolint:gosec // that many images are in memory
	if err := writeIDX(path, []uint32{idxImages, n, uint32(h), uint32(w)}, pixels); err != nil { //nolint:gosec // an image's sides
		return err
	}
	return writeIDX(LabelsBeside(path), []uint32{idxLabels, n}, labels)
}

func writeIDX(path string, head []uint32, data []uint8) error {
	return atomicfile.Write(path, func(out io.Writer) error {
		if !strings.HasSuffix(path, ".gz") {
			return encodeIDX(out, head, data)
		}
		z := gzip.NewWriter(out)
		return errors.Join(encodeIDX(z, head, data), z.Close())
	})
}

func encodeIDX(out io.Writer, head []uint32, data []uint8) error {
	if err := binary.Write(out, binary.BigEndian, head); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}
