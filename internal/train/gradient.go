package train

import (
	"context"
	"math"
	"time"

	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/profile"
)

// gradient is the gradient of the loss over a batch, summed from micro-batches
// into lanes: micro-batch m goes to lane m mod lanes, a lane is summed by one
// goroutine in order and the lanes are added in order, so that the bits do not
// depend on the number of workers.
type gradient struct {
	crew    *crew
	params  *model.Params
	lanes   [][]float32 // each laid out as params.Data; lane 0 ends as the sum
	loss    []float64   // of each image
	layers  []string    // of each micro-batch, the first layer that was not finite
	squares []float64   // of each chunk of the sum
	now     laneInput
}

// laneInput is what the lanes of one batch are summed from.
type laneInput struct {
	ctx    context.Context
	source Source
	used   int     // lanes
	scale  float32 // of an element's loss in the mean
}

// lossOf is a batch's mean loss, an element of the target, and its gradient's norm.
type lossOf struct {
	Loss, Norm float64
	What       string // "loss" or "gradient" where that is not finite
	Layer      string // then, the first layer to blame
}

func newGradient(c *crew, params *model.Params, lanes int) *gradient {
	g := &gradient{crew: c, params: params}
	for range lanes {
		g.lanes = append(g.lanes, make([]float32, params.Count()))
	}
	g.squares = make([]float64, chunks(params.Count()))
	return g
}

// sum is the gradient, laid out as the parameters, that compute left.
func (g *gradient) sum() []float32 { return g.lanes[0] }

// compute leaves in sum the gradient of the mean loss over s.
// When ctx ends it finishes the micro-batches begun and returns ctx's error.
func (g *gradient) compute(ctx context.Context, s Source) (lossOf, error) {
	n := s.Len()
	micros := g.crew.microBatches(n)
	g.loss = resize(g.loss, n)
	g.layers = resize(g.layers, micros)
	g.now = laneInput{ctx: ctx, source: s, used: min(len(g.lanes), micros), scale: float32(1 / float64(n*g.crew.sizes.Target))}
	if err := g.crew.team.Run(g.now.used, laneSums{g}); err != nil {
		return lossOf{}, err
	}
	g.reduce()
	return g.judge(n), nil
}

// laneSums are a batch's lanes as jobs.
type laneSums struct{ *gradient }

// Do sums one lane.
func (g laneSums) Do(worker, lane int) error {
	began := time.Now()
	clear(g.lanes[lane])
	g.crew.profile.Add("reduce", began, len(g.lanes[lane]), profile.Work{Bytes: 4})
	for m := lane; m < len(g.layers); m += len(g.lanes) {
		if err := g.now.ctx.Err(); err != nil {
			return err
		}
		if err := g.micro(g.crew.hands[worker], g.lanes[lane], m); err != nil {
			return err
		}
	}
	return nil
}

// micro adds the gradient of micro-batch m to lane.
func (g *gradient) micro(h *hand, lane []float32, m int) error {
	lo, n := g.crew.load(h, g.now.source, m)
	loss := g.loss[lo : lo+n]
	if err := h.Gradients(lane, loss, g.crew.inputs(h, n), g.crew.targets(h, n), h.t[:n], h.class[:n], h.weights[:n], g.now.scale); err != nil {
		return err
	}
	g.layers[m] = ""
	if !finite(sum(loss)) {
		g.layers[m] = orElse(h.FirstNonFinite(), "the loss")
	}
	return nil
}

// reduce adds the used lanes to lane 0, in order, and takes the sum of squares of
// what is trained.
func (g *gradient) reduce() {
	_ = g.crew.team.Run(len(g.squares), reductions{g}) // they never fail
}

// reductions are the sum's chunks as jobs.
type reductions struct{ *gradient }

// Do adds up chunk i of the lanes.
func (g reductions) Do(_, i int) error {
	lo, hi := bounds(i, len(g.sum()))
	defer g.crew.profile.Add("reduce", time.Now(), hi-lo, profile.Work{Bytes: float64(4 * (g.now.used + 1))})
	k, sum := g.crew.kernels, g.sum()[lo:hi]
	for _, lane := range g.lanes[1:g.now.used] {
		k.AddTo(sum, lane[lo:hi])
	}
	g.squares[i] = k.SumSquares(sum[:max(0, min(hi, g.params.Trained())-lo)])
	return nil
}

// judge is the loss over n images and the gradient's norm, and who is to blame
// where one of them is not finite.
func (g *gradient) judge(n int) lossOf {
	r := lossOf{
		Loss: sum(g.loss) / float64(n*g.crew.sizes.Target),
		Norm: math.Sqrt(sum(g.squares)),
	}
	switch {
	case !finite(r.Loss):
		r.What = "loss"
		for _, layer := range g.layers {
			if r.Layer == "" {
				r.Layer = layer
			}
		}
	case !finite(r.Norm):
		r.What, r.Layer = "gradient", firstNonFinite(g.crew.kernels, g.params, g.sum())
	}
	return r
}

// firstNonFinite names the first parameter whose stretch of flat has a NaN or
// an infinity; empty where all is finite.
func firstNonFinite(k *kernel.Set, params *model.Params, flat []float32) string {
	for _, p := range params.List {
		if !k.AllFinite(p.At(flat)) {
			return p.Name
		}
	}
	return ""
}

// sum adds in order: the same bits each time.
func sum(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += v
	}
	return s
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// resize is s with n elements, of any value.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
