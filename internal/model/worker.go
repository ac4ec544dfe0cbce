package model

import "fmt"

// worker runs a net: one graph to predict, one to learn, each built when it is
// first needed.
type worker struct {
	net            *net
	kind           kind
	n              int
	grad           bool
	predict, learn *replica
	last           *replica // what ran last
}

// Worker makes a runner for up to n images; grad says whether it can learn.
func (n *net) Worker(images int, grad bool) (Worker, error) {
	if images < 1 {
		return nil, fmt.Errorf("a worker for %d images", images)
	}
	return &worker{net: n, kind: n.kind, n: images, grad: grad}, nil
}

// load copies a call's images and, for a net that knows them, their timesteps and
// classes into the graph's inputs; it returns the number of images.
func (w *worker) load(r *replica, x []float32, t []float64, class []int) (int, error) {
	size := w.kind.Sizes().Input
	n := len(x) / size
	if len(x) != n*size || len(t) != n && r.t != nil {
		return 0, fmt.Errorf("%d timesteps for %d values of images with %d each", len(t), len(x), size)
	}
	if n < 1 || n > w.n {
		return 0, fmt.Errorf("a worker for %d images got %d", w.n, n)
	}
	copy(r.x, x)
	for i := range r.t[:min(n, len(r.t))] {
		r.t[i] = float32(t[i])
	}
	if err := w.loadClasses(r, class, n); err != nil {
		return 0, err
	}
	w.last = r
	return n, nil
}

// loadClasses copies n classes; the row of what is Unknown is behind all others.
func (w *worker) loadClasses(r *replica, class []int, n int) error {
	if r.class == nil {
		return nil
	}
	if class != nil && len(class) != n {
		return fmt.Errorf("%d classes for %d images", len(class), n)
	}
	for i := range n {
		row := w.net.classes
		if class != nil && class[i] != Unknown {
			if row = class[i]; row < 0 || row >= w.net.classes {
				return fmt.Errorf("class %d of %d", row, w.net.classes)
			}
		}
		r.class[i] = float32(row)
	}
	return nil
}

func (w *worker) Predict(y, x []float32, t []float64, class []int) (err error) {
	if w.predict == nil {
		if w.predict, err = w.net.replica(w.kind, w.n, false); err != nil {
			return err
		}
	}
	r := w.predict
	n, err := w.load(r, x, t, class)
	if err != nil {
		return err
	}
	if want := n * w.kind.Sizes().Output; len(y) != want {
		return fmt.Errorf("room for %d values of a prediction of %d", len(y), want)
	}
	w.net.refresh()
	if err := r.graph.Run(n); err != nil {
		return err
	}
	copy(y, r.graph.Result(r.y))
	return nil
}

func (w *worker) Gradients(grad []float32, loss []float64, x, target []float32, t []float64, class []int, weights []float32, scale float32) (err error) {
	if !w.grad {
		return fmt.Errorf("this worker was made without gradients")
	}
	if w.learn == nil {
		if w.learn, err = w.net.replica(w.kind, w.n, true); err != nil {
			return err
		}
	}
	r := w.learn
	n, err := w.load(r, x, t, class)
	if err != nil {
		return err
	}
	if len(target) != n*w.kind.Sizes().Target || len(loss) < n || len(grad) != len(w.net.params.Data) {
		return fmt.Errorf("%d targets and %d losses for %d images, %d gradients for %d parameters",
			len(target), len(loss), n, len(grad), len(w.net.params.Data))
	}
	copy(r.target, target)
	r.loss.Scale = scale
	if weights != nil {
		copy(r.loss.Weights, weights)
	}
	r.graph.SetGradients(w.net.lane(grad))
	if err := r.graph.Run(n); err != nil {
		return err
	}
	copy(loss, r.loss.PerImage[:n])
	return nil
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
