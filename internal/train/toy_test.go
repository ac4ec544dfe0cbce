package train

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/profile"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"
	"diffuse/internal/team"
)

// toy is the net y = x·W + b·t/1000 over flattened images, whose gradient is
// known in closed form. It is large enough to span two chunks.
type toy struct {
	params *model.Params
	packed []float32 // what Repack last saw: workers compute with this
	size   int
	// poison turns the output of the nth call of Gradients, counted from 1,
	// into NaN where it says so.
	poison func(call int) bool
	calls  atomic.Int64
}

const toySide = 16

func newToy(size int) *toy {
	n := &toy{params: new(model.Params), size: size, poison: func(int) bool { return false }}
	n.params.Add("linear.weight", model.Matrix, size, size)
	n.params.Add("time.bias", model.Vector, size)
	n.params.Alloc()
	rng.Normal(n.params.Data, 7, rng.Weights, 0, 0)
	for i := range n.params.Data {
		n.params.Data[i] *= .01
	}
	n.Repack(nil)
	return n
}

func (n *toy) Params() *model.Params { return n.params }
func (n *toy) Repack(*team.Team)     { n.packed = append(n.packed[:0], n.params.Data...) }

func (n *toy) Track([]float32, int)           {}
func (n *toy) Init(int64)                     {}
func (n *toy) Measure(*profile.Profile, bool) {}
func (n *toy) Sizes() model.Sizes {
	return model.Sizes{Input: n.size, Output: n.size, Target: n.size}
}

func (n *toy) Loss(loss []float64, y, target []float32) {
	for i := range loss {
		loss[i] = 0
		for o := i * n.size; o < (i+1)*n.size; o++ {
			d := float64(y[o]) - float64(target[o])
			loss[i] += d * d
		}
	}
}

func (n *toy) Worker(images int, grad bool) (model.Worker, error) {
	return &toyWorker{net: n, max: images, grad: grad}, nil
}

type toyWorker struct {
	net  *toy
	max  int
	grad bool
	bad  bool
}

func (w *toyWorker) Predict(y, x []float32, t []float64, _ []int) error {
	if len(t) > w.max || len(x) != len(t)*w.net.size || len(y) != len(x) {
		return fmt.Errorf("toy: %d timesteps, %d inputs, %d outputs", len(t), len(x), len(y))
	}
	size := w.net.size
	weight, bias := w.net.packed[:size*size], w.net.packed[size*size:]
	for i := range t {
		xi, yi := x[i*size:(i+1)*size], y[i*size:(i+1)*size]
		for o := range yi {
			yi[o] = bias[o] * float32(t[i]/1000)
		}
		for k, v := range xi {
			for o, row := 0, weight[k*size:(k+1)*size]; o < size; o++ {
				yi[o] += float32(row[o] * v)
			}
		}
	}
	return nil
}

func (w *toyWorker) Gradients(grad []float32, loss []float64, x, target []float32, t []float64, _ []int, weights []float32, scale float32) error {
	if !w.grad {
		return errors.New("toy: this worker has no gradients")
	}
	y := make([]float32, len(x))
	if err := w.Predict(y, x, t, nil); err != nil {
		return err
	}
	if w.bad = w.net.poison(int(w.net.calls.Add(1))); w.bad {
		y[0] = float32(math.NaN())
	}
	size := w.net.size
	for i := range t {
		loss[i] = 0
		for o := range size {
			d := y[i*size+o] - target[i*size+o]
			loss[i] += float64(weights[i]) * float64(d) * float64(d)
			g := 2 * scale * weights[i] * d
			grad[size*size+o] += float32(g * float32(t[i]/1000))
			for k := range size {
				grad[k*size+o] += float32(g * x[i*size+k])
			}
		}
	}
	return nil
}

func (w *toyWorker) FirstNonFinite() string {
	if w.bad {
		return "linear"
	}
	return ""
}

// toyConfig trains 20 images in batches of 6 (the last of an epoch has 2),
// micro-batches of 2, 3 lanes.
func toyConfig() *config.Config {
	c := config.Default()
	c.Data = config.Data{Set: "fashion-extract", Size: toySide, Range: [2]float64{-.5, .5}, Flip: true}
	c.Schedule.BetaMax = .01
	c.Train.Seed = 3
	c.Train.Epochs, c.Train.Batch, c.Train.MicroBatch, c.Train.Lanes = 2, 6, 2, 3
	c.Train.LR, c.Train.EMA, c.Train.Clip = .01, .99, 1
	c.Train.GridEvery = 0
	return &c
}

func toyImages(n int, seed uint64) *dataset.Set {
	s := &dataset.Set{Name: "toy", N: n, H: toySide - 2, W: toySide - 2, C: 1, Hash: fmt.Sprint("toy ", seed, n)}
	s.Pixels = make([]uint8, n*s.H*s.W)
	s.Labels = make([]uint8, n)
	for i := range s.Pixels {
		s.Pixels[i] = uint8(rng.Intn(256, seed, rng.Noise, uint64(i), 0))
	}
	return s
}

// toySetup is a run of the toy net that saves to dir.
func toySetup(t *testing.T, c *config.Config, dir string) Setup {
	t.Helper()
	s, err := schedule.New(c.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	return Setup{
		Config: c, Net: newToy(toySide * toySide), Schedule: s,
		Train: toyImages(20, 1), Valid: toyImages(7, 2),
		Kernels: kernel.Sets()[0], Workers: 2, Dir: dir, Command: "diffuse train --resume toy-run",
	}
}

func newTrainer(t *testing.T, s Setup) *Trainer {
	t.Helper()
	tr, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}
