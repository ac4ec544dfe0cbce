package tensorfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"diffuse/internal/fault"
)

// torchMagic opens a file of torch.save before PyTorch 1.6: pickles of a magic
// number and of the version, 1001. More pickles and then the storages follow.
const torchMagic = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."

// zipMagic opens a zip, as written by torch.save since PyTorch 1.6.
const zipMagic = "PK"

const torchHint = "in Python: torch.save(model.state_dict(), PATH)"

// OpenWeights opens a file of named tensors, whatever it is called: safetensors,
// or what torch.save wrote. Errors are those of the two.
func OpenWeights(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Checkpoint, "", "open tensors: %w", err)
	}
	head := make([]byte, len(torchMagic))
	n, _ := io.ReadFull(f, head) // what cannot be read has no such beginning
	_ = f.Close()
	head = head[:n]
	switch {
	case len(head) < 9, head[8] == '{': // behind its length, the header
		return OpenSafetensors(path)
	case strings.HasPrefix(string(head), zipMagic), head[0] == torchMagic[0]:
		return OpenTorch(path)
	default:
		return nil, fault.New(fault.Checkpoint, "", "%s: is neither safetensors nor a file of torch.save: it begins with %q", path, head[:8])
	}
}

// OpenTorch opens a dict of tensors that torch.save wrote: the zip of PyTorch 1.6
// and later, or the older form of a stream of pickles, which is that of
// pytorch-fid's Inception weights (2019). Tensors in dicts in the dict are called
// as in OUTER.INNER; whatever is no tensor is passed over. Names keeps the dict's
// order. Only tensors are read: a file that refers to any other class or function
// is refused, and no code of it is run. Errors name the file and the tensor and
// are of kind fault.Checkpoint.
//
// Source: torch/serialization.py (_save, _legacy_save), torch/_utils.py.
func OpenTorch(path string) (*File, error) {
	return openFile(path, torchHint, newTorchFile)
}

func newTorchFile(f io.ReaderAt, size int64) (*File, error) {
	root, err := readTorch(f, size)
	if err != nil {
		return nil, err
	}
	if _, ok := root.(*pickleDict); !ok {
		return nil, errors.New("does not hold a dict of tensors")
	}
	var flat flattener
	if err := flat.add("", root, 0); err != nil {
		return nil, err
	}
	if len(flat.entries) == 0 {
		return nil, errors.New("holds no tensors")
	}
	return newFile(f, 0, map[string]string{}, flat.entries)
}

// readTorch reads the object that was saved; its storages are found in the file.
func readTorch(f io.ReaderAt, size int64) (any, error) {
	head := make([]byte, min(size, int64(len(torchMagic))))
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(string(head), zipMagic):
		return readTorchZip(f, size)
	case string(head) == torchMagic:
		return readTorchStream(f, size)
	}
	return nil, fmt.Errorf("was not written by torch.save: it begins with %q", head)
}

// storages are those that a pickle refers to, by their keys.
type storages map[string]*torchStorage

// resolve makes a persistent id, ('storage', class, key, device, count), a
// storage. Before PyTorch 1.6 a sixth value told of views of storages; torch.save
// has written None there since 0.4.
func (s storages) resolve(id pickleTuple) (any, error) {
	if len(id) != 5 && (len(id) != 6 || id[5] != nil) {
		return nil, errors.New("refers to a storage in an unknown way")
	}
	class, _ := id[1].(global)
	key, isText := id[2].(string)
	count, isInt := id[4].(int64)
	dtype := storageTypes[class]
	if id[0] != "storage" || dtype == "" || !isText || !isInt || count < 0 {
		return nil, errors.New("refers to a storage in an unknown way")
	}
	known, ok := s[key]
	if !ok {
		known = &torchStorage{dtype: dtype, count: count, begin: -1}
		s[key] = known
	}
	if known.dtype != dtype || known.count != count {
		return nil, fmt.Errorf("storage %q is said to be %d %s and %d %s", key, known.count, known.dtype, count, dtype)
	}
	return known, nil
}

// find notes where the bytes of storage key begin, n of them in a file of size.
func (s storages) find(key string, begin, n, size int64) error {
	found := s[key]
	width := int64(dtypeSize[found.dtype])
	if n < 0 || n%width != 0 || n/width != found.count {
		return fmt.Errorf("storage %q has %d bytes, not %d %s", key, n, found.count, found.dtype)
	}
	if begin < 0 || begin > size || n > size-begin {
		return fmt.Errorf("storage %q runs over the end of the file: truncated?", key)
	}
	found.begin = begin
	return nil
}

// readTorchStream reads the older form: behind the magic, pickles of the
// machine's properties, of the object and of a list of keys; then for each key
// the storage, a count of 8 bytes and the elements, little-endian.
func readTorchStream(f io.ReaderAt, size int64) (any, error) {
	at := int64(len(torchMagic))
	u := newUnpickler(io.NewSectionReader(f, at, size-at))
	if _, err := u.load(); err != nil {
		return nil, err
	}
	found := storages{}
	u.storage = found.resolve
	root, err := u.load()
	if err != nil {
		return nil, err
	}
	u.storage = nil
	list, err := u.load()
	if err != nil {
		return nil, err
	}
	keys, ok := list.(*pickleList)
	if !ok {
		return nil, errors.New("has no list of storages")
	}
	at += u.pos
	for _, item := range keys.items {
		key, _ := item.(string)
		s := found[key]
		if s == nil || s.begin >= 0 {
			return nil, fmt.Errorf("storage %v stands twice, or nothing refers to it", item)
		}
		var count [8]byte
		if _, err := f.ReadAt(count[:], at); err != nil {
			return nil, fmt.Errorf("is cut off before storage %q", key)
		}
		at += 8
		if n := binary.LittleEndian.Uint64(count[:]); n != uint64(s.count) || s.count > size {
			return nil, fmt.Errorf("storage %q has %d elements, not %d", key, n, s.count)
		}
		if err := found.find(key, at, s.bytes(), size); err != nil {
			return nil, err
		}
		at += s.bytes()
	}
	if len(keys.items) != len(found) {
		return nil, fmt.Errorf("has %d storages, its tensors refer to %d", len(keys.items), len(found))
	}
	if at != size {
		return nil, fmt.Errorf("%d bytes follow the last storage", size-at)
	}
	return root, nil
}
