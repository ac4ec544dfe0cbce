package model

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"diffuse/internal/op"
)

// worker runs a U-Net: one graph to predict, one to learn, each built when it
// is first needed.
type worker struct {
	u              *UNet
	n              int
	grad           bool
	predict, learn *replica
	last           *replica // what ran last
}

// Worker makes a runner for up to n images; grad says whether it can learn.
func (u *UNet) Worker(n int, grad bool) (Worker, error) {
	if n < 1 {
		return nil, fmt.Errorf("a worker for %d images", n)
	}
	return &worker{u: u, n: n, grad: grad}, nil
}

// replica is a graph of the net and the memory of its inputs and results.
type replica struct {
	graph        *op.Graph
	x, t, target []float32
	y            *G.Node
	loss         *op.Loss
}

// replica builds the graph for n images, with the loss and its gradients if
// learn says so.
func (u *UNet) replica(n int, learn bool) (*replica, error) {
	r := &replica{graph: op.NewGraph(n, u.back.NewDevice())}
	r.graph.Measure(u.notes, u.apart)
	b := &builder{Graph: r.graph, data: u.params.Data, params: map[*Param]*G.Node{}, groups: u.cfg.Groups}
	err := b.Build(func() {
		var x, t, target *G.Node
		x, r.x = b.Input("x", n, u.size, u.size, u.image)
		t, r.t = b.Input("t", n)
		r.y = u.forward(b, x, t)
		if learn {
			target, r.target = b.Input("target", n, u.size, u.size, u.image)
			var loss *G.Node
			loss, r.loss = b.SquaredError(r.y, target)
			if err := b.Differentiate(loss, b.order...); err != nil {
				panic(err)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return r, r.graph.Compile(r.y)
}

// load copies a call's images and timesteps into the graph's inputs.
func (w *worker) load(r *replica, x []float32, t []float64) error {
	size := len(r.x) / w.n
	if len(x) != len(t)*size {
		return fmt.Errorf("%d timesteps for %d values of images with %d each", len(t), len(x), size)
	}
	if len(t) < 1 || len(t) > w.n {
		return fmt.Errorf("a worker for %d images got %d", w.n, len(t))
	}
	copy(r.x, x)
	for i, v := range t {
		r.t[i] = float32(v)
	}
	w.last = r
	return nil
}

func (w *worker) Predict(y, x []float32, t []float64) (err error) {
	if w.predict == nil {
		if w.predict, err = w.u.replica(w.n, false); err != nil {
			return err
		}
	}
	r := w.predict
	if err := w.load(r, x, t); err != nil {
		return err
	}
	if len(y) != len(x) {
		return fmt.Errorf("%d values to predict from %d", len(y), len(x))
	}
	if err := r.graph.Run(len(t)); err != nil {
		return err
	}
	copy(y, r.graph.Result(r.y))
	return nil
}

func (w *worker) Gradients(grad []float32, loss []float64, x, target []float32, t []float64, scale float32) (err error) {
	if !w.grad {
		return fmt.Errorf("this worker was made without gradients")
	}
	if w.learn == nil {
		if w.learn, err = w.u.replica(w.n, true); err != nil {
			return err
		}
	}
	r := w.learn
	if err := w.load(r, x, t); err != nil {
		return err
	}
	if len(target) != len(x) || len(loss) < len(t) || len(grad) != len(w.u.params.Data) {
		return fmt.Errorf("%d targets for %d values, %d losses for %d images, %d gradients for %d parameters",
			len(target), len(x), len(loss), len(t), len(grad), len(w.u.params.Data))
	}
	copy(r.target, target)
	r.loss.Scale = scale
	r.graph.SetGradients(w.u.lane(grad))
	if err := r.graph.Run(len(t)); err != nil {
		return err
	}
	copy(loss, r.loss.PerImage[:len(t)])
	return nil
}

// lane is the tensors over one lane's gradients, by parameter. They are made
// once: the lanes come round at every step.
func (u *UNet) lane(grad []float32) map[string]*tensor.Dense {
	u.mu.Lock()
	defer u.mu.Unlock()
	lane := u.lanes[&grad[0]]
	if lane == nil {
		lane = make(map[string]*tensor.Dense, len(u.params.List))
		for _, p := range u.params.List {
			lane[p.Name] = tensor.New(tensor.WithShape(p.computeShape()...), tensor.WithBacking(p.At(grad)))
		}
		u.lanes[&grad[0]] = lane
	}
	return lane
}

func (w *worker) FirstNonFinite() string {
	if w.last == nil {
		return ""
	}
	name, err := w.last.graph.FirstNonFinite()
	if err != nil {
		return err.Error()
	}
	return name
}
