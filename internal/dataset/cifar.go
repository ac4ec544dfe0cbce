package dataset

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// A record of CIFAR-10's binary version is a label and the planes R, G, B, each
// 32 rows of 32 pixels. Source: cs.toronto.edu/~kriz/cifar.html, "Binary version".
const (
	cifarSide    = 32
	cifarPlane   = cifarSide * cifarSide
	cifarRecord  = 1 + 3*cifarPlane
	cifarBatch   = 10_000 // records in an official batch
	cifarBatches = 5      // training batches
	cifarFolder  = "cifar-10-batches-bin"
	cifarTarball = "cifar-10-binary.tar.gz"
)

// maxTarball bounds what the tarball may unpack to; the official one has 184 MB.
const maxTarball = 400 << 20

// openCIFAR reads the batches in dir itself, else in dir/cifar-10-batches-bin,
// else in the tarball.
func openCIFAR(dir string, split Split) (*Set, error) {
	for _, folder := range []string{dir, filepath.Join(dir, cifarFolder)} {
		batches, err := readBatches(folder, split)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return decodeBatches(folder, batches)
	}
	tarball := filepath.Join(dir, cifarTarball)
	batches, err := readTarball(tarball, split)
	if err != nil {
		return nil, err
	}
	return decodeBatches(tarball, batches)
}

// batchNames are the files of a split.
func batchNames(split Split) []string {
	if split == Test {
		return []string{"test_batch.bin"}
	}
	names := make([]string, cifarBatches)
	for i := range names {
		names[i] = fmt.Sprintf("data_batch_%d.bin", i+1)
	}
	return names
}

// readBatches reads a split's files from a folder. fs.ErrNotExist means that none
// is there. Later batches may be missing where the first is a shortened one;
// official batches come all or not at all.
func readBatches(folder string, split Split) ([][]byte, error) {
	var batches [][]byte
	var firstMissing error
	for _, name := range batchNames(split) {
		b, err := readBatch(filepath.Join(folder, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if firstMissing == nil {
				firstMissing = err
			}
		case err != nil:
			return nil, err
		case firstMissing != nil:
			return nil, fmt.Errorf("%s: %s is there, a batch before it is not", folder, name)
		default:
			batches = append(batches, b)
		}
	}
	if len(batches) == 0 {
		return nil, firstMissing
	}
	if firstMissing != nil && len(batches[0]) == cifarBatch*cifarRecord {
		return nil, fmt.Errorf("%s: has %d of %d batches", folder, len(batches), cifarBatches)
	}
	return batches, nil
}

func readBatch(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkBatchSize(info.Size()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, damaged(err))
	}
	return b, nil
}

func checkBatchSize(size int64) error {
	if size == 0 || size%cifarRecord != 0 {
		return fmt.Errorf("has %d bytes, no multiple of a record's %d: cut off or damaged", size, cifarRecord)
	}
	if size > cifarBatch*cifarRecord {
		return fmt.Errorf("has %d records, a batch has at most %d", size/cifarRecord, cifarBatch)
	}
	return nil
}

// readTarball reads a split's members from the official tarball. Nothing is
// unpacked to disk; a member that would leave the folder is refused all the same.
func readTarball(name string, split Split) ([][]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	batches, err := readTar(f, batchNames(split))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return batches, nil
}

func readTar(r io.Reader, names []string) ([][]byte, error) {
	z, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return nil, damaged(err)
	}
	unpacked := &io.LimitedReader{R: z, N: maxTarball}
	members, err := readMembers(tar.NewReader(unpacked), names)
	if err == nil {
		_, err = io.Copy(io.Discard, unpacked) // to the end, where gzip's checksum stands
	}
	if unpacked.N == 0 {
		return nil, fmt.Errorf("unpacks to more than %d MB, the official one to 184", maxTarball>>20)
	}
	if err != nil {
		return nil, damaged(err)
	}
	batches := make([][]byte, len(names))
	for i, name := range names {
		if members[name] == nil {
			return nil, fmt.Errorf("has no %s", path.Join(cifarFolder, name))
		}
		batches[i] = members[name]
	}
	return batches, nil
}

// readMembers reads the named files in the tarball's folder.
func readMembers(t *tar.Reader, names []string) (map[string][]byte, error) {
	wanted := map[string]string{} // path in the tarball to name
	for _, name := range names {
		wanted[path.Join(cifarFolder, name)] = name
	}
	members := map[string][]byte{}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return members, nil
		}
		if err != nil {
			return nil, err
		}
		if !filepath.IsLocal(filepath.FromSlash(h.Name)) {
			return nil, fmt.Errorf("member %q leaves the folder", h.Name)
		}
		name, ok := wanted[path.Clean(h.Name)]
		if !ok {
			continue
		}
		if members[name] != nil {
			return nil, fmt.Errorf("member %q stands twice", h.Name)
		}
		if members[name], err = readMember(t, h); err != nil {
			return nil, fmt.Errorf("member %q %w", h.Name, err)
		}
	}
}

func readMember(t *tar.Reader, h *tar.Header) ([]byte, error) {
	if h.Typeflag != tar.TypeReg {
		return nil, errors.New("is no ordinary file")
	}
	if err := checkBatchSize(h.Size); err != nil {
		return nil, err
	}
	b := make([]byte, h.Size)
	if _, err := io.ReadFull(t, b); err != nil {
		return nil, damaged(err)
	}
	return b, nil
}

// decodeBatches turns records of planes into images of interleaved channels.
func decodeBatches(where string, batches [][]byte) (*Set, error) {
	n := 0
	for _, b := range batches {
		n += len(b) / cifarRecord
	}
	pixels := make([]uint8, 0, n*3*cifarPlane)
	labels := make([]uint8, 0, n)
	for _, b := range batches {
		for ; len(b) > 0; b = b[cifarRecord:] {
			labels = append(labels, b[0])
			planes := b[1:cifarRecord]
			for p := range cifarPlane {
				pixels = append(pixels, planes[p], planes[cifarPlane+p], planes[2*cifarPlane+p])
			}
		}
	}
	s, err := newSet(CIFAR10, cifarClasses, cifarSide, cifarSide, 3, pixels, labels)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return s, nil
}
