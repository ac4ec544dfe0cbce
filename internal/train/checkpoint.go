package train

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"diffuse/internal/fault"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/tensorfile"
)

// A checkpoint NAME is up to three safetensors files of the same step:
//
//	NAME.safetensors        the weights under diffusers' names, PyTorch's layout
//	NAME.ema.safetensors    their moving average, in the same form (if it is on)
//	NAME.state.safetensors  Adam's moments m.* and v.*, and Progress as metadata
//
// The first two can be used alone; all three continue a run bit for bit.
// They hold no clock time: equal runs make equal bytes.

// The keys of the files' metadata. "format" is what Hugging Face's loaders
// look for.
const (
	metaFormat   = "format"
	metaContract = "diffuse.contract"
	metaStep     = "diffuse.step"
	metaProgress = "diffuse.progress"
)

// Names of checkpoints.
const (
	Last = "last"
	Best = "best"
	// BestFID is the one whose images scored best.
	BestFID = "best-fid"
)

func weightsPath(dir, name string) string { return filepath.Join(dir, name+".safetensors") }
func averagePath(dir, name string) string { return filepath.Join(dir, name+".ema.safetensors") }
func statePath(dir, name string) string   { return filepath.Join(dir, name+".state.safetensors") }

// Checkpoint is an opened checkpoint of weights: what a net was trained under.
type Checkpoint struct {
	Path string
	Contract
	Step int
	// AveragePath is the file of the weights' moving average beside Path, or
	// empty.
	AveragePath string

	elements int    // of all tensors in Path
	content  []byte // instead of the file at Path: weights that are part of the program
}

// LoadCheckpoint reads a checkpoint's contract; path is its file of weights,
// such as RUN/last.safetensors. Errors are of kind fault.Checkpoint.
func LoadCheckpoint(path string) (*Checkpoint, error) {
	c := &Checkpoint{Path: path}
	if err := c.load(); err != nil {
		return nil, err
	}
	base, name := filepath.Split(path)
	name = name[:len(name)-len(filepath.Ext(name))]
	if average := averagePath(base, name); exists(average) {
		c.AveragePath = average
	}
	return c, nil
}

// EmbeddedCheckpoint is the checkpoint of these bytes, which errors call name.
func EmbeddedCheckpoint(name string, content []byte) (*Checkpoint, error) {
	c := &Checkpoint{Path: name, content: content}
	return c, c.load()
}

// Embedded tells whether the weights are in the binary: they are averages, and in no
// file.
func (c *Checkpoint) Embedded() bool { return c.content != nil }

// open opens the weights.
func (c *Checkpoint) open() (*tensorfile.File, error) {
	if c.content != nil {
		return tensorfile.ReadSafetensors(c.Path, c.content)
	}
	return tensorfile.OpenSafetensors(c.Path)
}

// load reads the contract.
func (c *Checkpoint) load() error {
	f, err := c.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.read(f); err != nil {
		return fault.New(fault.Checkpoint, "diffuse sample RUN takes a run's own checkpoint", "%s: %w", c.Path, err)
	}
	return nil
}

func (c *Checkpoint) read(f *tensorfile.File) error {
	contract, ok := f.Meta()[metaContract]
	if !ok {
		return fmt.Errorf("is no checkpoint of diffuse: its metadata has no %s", metaContract)
	}
	parsed, err := decodeContract(contract)
	if err != nil {
		return err
	}
	c.Contract = *parsed
	for _, name := range f.Names() {
		n := 1
		for _, d := range f.Shape(name) { // no overflow: the file is as long as its shapes say
			n *= d
		}
		c.elements += n
	}
	c.Step, err = stepOf(f)
	return err
}

// stepOf is the optimizer step a file was written at.
func stepOf(f *tensorfile.File) (int, error) {
	step, err := strconv.Atoi(f.Meta()[metaStep])
	if err != nil || step < 0 {
		return 0, fmt.Errorf("its metadata gives %q as its step", f.Meta()[metaStep])
	}
	return step, nil
}

// Load is the checkpoint's net with its weights, or their moving average, ready
// to predict by a kernel set. No memory is taken for a net that is larger than
// the file. Errors are of kind fault.Checkpoint.
func (c *Checkpoint) Load(average bool, kernels *kernel.Set) (model.Net, error) {
	net, err := c.unpacked(average, kernels)
	if err != nil {
		return nil, err
	}
	net.Repack(nil)
	return net, nil
}

// unpacked is Load's net, whose weights are not yet packed for predictions.
func (c *Checkpoint) unpacked(average bool, kernels *kernel.Set) (model.Net, error) {
	if n := model.Count(c.Net, c.Images()); n != c.elements {
		return nil, anotherNet(c.Path, "it has %d values, the net it names has %d", c.elements, n)
	}
	net, err := model.New(c.Net, c.Images(), false, kernels)
	if err != nil {
		return nil, fault.New(fault.Checkpoint, "", "%s: %w", c.Path, err)
	}
	return net, c.LoadInto(net.Params(), average)
}

// LoadInto reads the weights, or their moving average, into params, whose names
// and shapes must be those of the file. Errors are of kind fault.Checkpoint.
func (c *Checkpoint) LoadInto(params *model.Params, average bool) error {
	path, open := c.Path, c.open
	if average {
		if path = c.AveragePath; path == "" {
			return fault.New(fault.Checkpoint, "train with --set train.ema=0.999, or sample the weights themselves",
				"%s has no moving average beside it", c.Path)
		}
		open = func() (*tensorfile.File, error) { return tensorfile.OpenSafetensors(path) }
	}
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	return readParams(f, path, "", params, params.Data)
}

// Begin gives net, whose Contract c Begins, these weights as its first; blocks that
// they lack are drawn from seed. Errors are of kind fault.Checkpoint.
func (c *Checkpoint) Begin(net model.Net, average bool, seed int64) error {
	if u, ok := net.(*model.UNet); ok && u.Params().Count() > c.elements {
		from, err := c.unpacked(average, kernel.Best())
		if err != nil {
			return err
		}
		u.Deepen(from.Params(), seed)
		return nil
	}
	if err := c.LoadInto(net.Params(), average); err != nil {
		return err
	}
	net.Repack(nil)
	return nil
}

// readParams reads the tensors prefix+NAME of every parameter into flat.
func readParams(f *tensorfile.File, path, prefix string, params *model.Params, flat []float32) error {
	for _, p := range params.List {
		name := prefix + p.Name
		if !f.Has(name) {
			return anotherNet(path, "it has no tensor %s", name)
		}
		if got := f.Shape(name); !slices.Equal(got, p.Shape) {
			return anotherNet(path, "%s has shape %v, the net's has %v", name, got, p.Shape)
		}
	}
	if prefix == "" && len(f.Names()) != len(params.List) {
		return anotherNet(path, "it has %d tensors, the net has %d", len(f.Names()), len(params.List))
	}
	var torch []float32
	for _, p := range params.List {
		torch = resize(torch, p.Len)
		if err := f.ReadInto(torch, prefix+p.Name); err != nil {
			return err
		}
		if err := p.FromTorch(flat, torch); err != nil {
			return err
		}
	}
	return nil
}

func anotherNet(path, format string, args ...any) error {
	return fault.New(fault.Checkpoint, "diffuse config show RUN/config.yaml prints the net of a run",
		"%s is of another net: %w", path, fmt.Errorf(format, args...))
}

// tensors are the parameters' stretches of flat as prefix+NAME, converted to
// PyTorch's layout one at a time, as they are written.
func tensors(prefix string, params *model.Params, flat []float32) []tensorfile.Tensor {
	ts := make([]tensorfile.Tensor, len(params.List))
	for i, p := range params.List {
		ts[i] = tensorfile.Tensor{
			Name: prefix + p.Name, Shape: p.Shape,
			Fill: func(dst []float32) { p.ToTorch(dst, flat) },
		}
	}
	return ts
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
