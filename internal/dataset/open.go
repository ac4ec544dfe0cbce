package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"diffuse/internal/fault"
)

// The names of the data sets, as in configs.
const (
	FashionMNIST   = "fashion-mnist"
	FashionExtract = "fashion-extract"
	CIFAR10        = "cifar-10"
)

// Names lists the data sets.
func Names() []string { return []string{FashionMNIST, FashionExtract, CIFAR10} }

var (
	fashionClasses = []string{"t-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"}
	cifarClasses   = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
)

// ClassNames are the names of the n classes of the data set called name, or their
// numbers where it is not known.
func ClassNames(name string, n int) []string {
	known := map[string][]string{FashionMNIST: fashionClasses, FashionExtract: fashionClasses, CIFAR10: cifarClasses}[name]
	if len(known) == n {
		return known
	}
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}

// DefaultDir is the folder of data sets where none is named: fetch fills it, and
// Open looks there.
const DefaultDir = "data"

// readers read a split from a data set's folder.
var readers = map[string]func(folder string, split Split) (*Set, error){
	FashionMNIST: openFashion,
	CIFAR10:      openCIFAR,
}

// Open reads a split of the data set called name from the folder dir/name, where
// dir is DefaultDir if it is empty; fashion-extract needs no folder. Missing and
// damaged files are errors of kind fault.Data that name the file and say what to
// type.
func Open(name, dir string, split Split) (*Set, error) {
	if name == FashionExtract {
		return openExtract(split)
	}
	read, ok := readers[name]
	if !ok {
		return nil, fault.New(fault.Usage, "the data sets are "+strings.Join(Names(), ", "), "there is no data set %q", name)
	}
	folder := Folder(dir, name)
	s, err := read(folder, split)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing(name, dir)
	}
	if err != nil {
		return nil, fault.New(fault.Data, "diffuse data fetch "+name+dataFlag(dir)+" replaces the damaged file", "%s: %w", name, err)
	}
	return s, nil
}

// Folder is where the files of the data set called name are, or belong.
func Folder(dir, name string) string { return filepath.Join(cmp.Or(dir, DefaultDir), name) }

// dataFlag names the folder to a fetch that is to fill it.
func dataFlag(dir string) string {
	if dir == "" {
		return ""
	}
	return fmt.Sprintf(" --data %q", dir)
}

// missing says both ways to get a data set.
func missing(name, dir string) error {
	hint := fmt.Sprintf("diffuse data fetch %s%s\nor name the folder that holds %s/ by --data DIR or DIFFUSE_DATA; its files: %s", name, dataFlag(dir), name, expected[name])
	return fault.New(fault.Data, hint, "%s does not hold %s", Folder(dir, name), name)
}

// expected says which files a data set's folder holds.
var expected = map[string]string{
	FashionMNIST: "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz (unpacked ones do too)",
	CIFAR10:      "cifar-10-binary.tar.gz, or cifar-10-batches-bin/, or data_batch_1.bin ... data_batch_5.bin, test_batch.bin",
}
