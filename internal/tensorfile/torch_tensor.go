package tensorfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// torchStorage is a run of elements that tensors are views of.
type torchStorage struct {
	dtype  string
	count  int64        // elements
	begin  int64        // where its bytes begin in the file; -1 until they are found
	intact func() error // compares its bytes with the file's checksum, once; nil where there is none
}

func (s *torchStorage) bytes() int64 { return s.count * int64(dtypeSize[s.dtype]) }

// torchTensor is a view: element (i, j, ...) is the storage's element
// offset + i·strides[0] + j·strides[1] + ...
type torchTensor struct {
	storage *torchStorage
	offset  int64
	shape   []int
	strides []int
}

// storageTypes are the classes of storages, and the dtypes of their elements.
var storageTypes = map[global]string{
	"torch.FloatStorage": "F32", "torch.DoubleStorage": "F64", "torch.HalfStorage": "F16", "torch.BFloat16Storage": "BF16",
	"torch.LongStorage": "I64", "torch.IntStorage": "I32", "torch.ShortStorage": "I16", "torch.CharStorage": "I8",
	"torch.ByteStorage": "U8", "torch.BoolStorage": "BOOL", "torch.ComplexFloatStorage": "C64",
}

// callables are the globals that a pickle may call.
var callables = map[global]func(args pickleTuple) (any, error){
	"collections.OrderedDict":         orderedDict,
	"torch.Size":                      torchSize,
	"torch._utils._rebuild_tensor_v2": rebuildTensor,
	"torch._utils._rebuild_parameter": rebuildParameter,
}

var errArguments = errors.New("has other arguments than torch.save gives it")

// orderedDict takes no arguments, or from Python 2 a list of [key, value].
func orderedDict(args pickleTuple) (any, error) {
	d := &pickleDict{}
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := args[0].(*pickleList)
	if !ok || len(args) > 1 {
		return nil, errArguments
	}
	for _, item := range pairs.items {
		pair, ok := item.(*pickleList)
		if !ok || len(pair.items) != 2 {
			return nil, errArguments
		}
		if err := d.set(pair.items); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// torchSize is torch.Size((d, ...)), a tuple.
func torchSize(args pickleTuple) (any, error) {
	if len(args) != 1 {
		return nil, errArguments
	}
	if size, ok := args[0].(pickleTuple); ok {
		return size, nil
	}
	return nil, errArguments
}

// rebuildTensor is _rebuild_tensor_v2(storage, offset, size, strides,
// requires_grad, hooks) and since PyTorch 2 perhaps metadata.
func rebuildTensor(args pickleTuple) (any, error) {
	if len(args) != 6 && len(args) != 7 {
		return nil, errArguments
	}
	storage, ok := args[0].(*torchStorage)
	offset, isInt := args[1].(int64)
	if !ok || !isInt || offset < 0 {
		return nil, errArguments
	}
	shape, err := dimensions(args[2])
	if err != nil {
		return nil, err
	}
	strides, err := dimensions(args[3])
	if err != nil {
		return nil, err
	}
	if len(shape) != len(strides) {
		return nil, fmt.Errorf("size %v with strides %v", shape, strides)
	}
	return &torchTensor{storage, offset, shape, strides}, nil
}

// rebuildParameter is _rebuild_parameter(tensor, requires_grad, hooks).
func rebuildParameter(args pickleTuple) (any, error) {
	if len(args) != 3 {
		return nil, errArguments
	}
	if t, ok := args[0].(*torchTensor); ok {
		return t, nil
	}
	return nil, errArguments
}

// dimensions reads a tuple of whole numbers that are not negative.
func dimensions(v any) ([]int, error) {
	tuple, ok := v.(pickleTuple)
	if !ok || len(tuple) > maxDims {
		return nil, errArguments
	}
	dims := make([]int, len(tuple))
	for i, v := range tuple {
		n, ok := v.(int64)
		if !ok || n < 0 || n > math.MaxInt {
			return nil, fmt.Errorf("size or stride %v is not possible", v)
		}
		dims[i] = int(n)
	}
	return dims, nil
}

// entry is the tensor as a piece of the file. It must lie within its storage and
// have no more elements than that: a tensor expanded by strides of 0 could ask
// for any amount of memory.
func (t *torchTensor) entry(name string) (entry, error) {
	e := entry{name: name, dtype: t.storage.dtype, shape: t.shape, intact: t.storage.intact}
	count, ok := product(t.shape)
	if !ok || int64(count) > t.storage.count {
		return e, fmt.Errorf("has size %v, more elements than its storage's %d: save a clone() of what was expanded", t.shape, t.storage.count)
	}
	if count == 0 {
		return e, nil
	}
	last := t.offset // the storage's element that the tensor's last one is
	for i, d := range t.shape {
		stride := int64(t.strides[i])
		if d > 1 && stride > t.storage.count/int64(d-1) || last >= t.storage.count {
			last = t.storage.count
			break
		}
		last += int64(d-1) * stride
	}
	if last >= t.storage.count {
		return e, fmt.Errorf("with size %v, strides %v and offset %d runs out of its storage of %d elements", t.shape, t.strides, t.offset, t.storage.count)
	}
	size := int64(dtypeSize[e.dtype])
	e.begin = uint64(t.storage.begin + t.offset*size)
	e.end = uint64(t.storage.begin + (last+1)*size)
	if !contiguous(t.shape, t.strides) {
		e.strides = t.strides
	}
	return e, nil
}

// contiguous tells whether the elements stand row by row without holes.
func contiguous(shape, strides []int) bool {
	step := 1
	for i, n := range slices.Backward(shape) {
		if n != 1 && strides[i] != step {
			return false
		}
		step *= n
	}
	return true
}

// A pickle can refer to one dict from many places, or from itself: these bound
// what a small file unfolds to.
const (
	maxNesting = 32
	maxName    = 1024
	maxTensors = 1 << 17
)

// flattener collects the tensors of nested dicts, lists and tuples.
type flattener struct {
	entries []entry
	visits  int
}

// add adds the tensors in v; those of a dict {"a": {"b": t}} are called a.b.
// Numbers and texts beside them, such as an epoch, are passed over.
func (f *flattener) add(name string, v any, depth int) error {
	f.visits++
	if depth > maxNesting || len(name) > maxName || f.visits > maxPickleOps || len(f.entries) > maxTensors {
		return fmt.Errorf("%.80q... is nested too deeply, or contains itself", name)
	}
	inside := func(key string, v any) error {
		if name != "" {
			key = name + "." + key
		}
		return f.add(key, v, depth+1)
	}
	var items []any
	switch v := v.(type) {
	case *torchTensor:
		e, err := v.entry(name)
		if err != nil {
			return fmt.Errorf("tensor %q %w", name, err)
		}
		f.entries = append(f.entries, e)
	case *pickleDict:
		for i, key := range v.keys {
			if err := inside(fmt.Sprint(key), v.values[i]); err != nil {
				return err
			}
		}
	case *pickleList:
		items = v.items
	case pickleTuple:
		items = v
	}
	for i, item := range items {
		if err := inside(strconv.Itoa(i), item); err != nil {
			return err
		}
	}
	return nil
}
