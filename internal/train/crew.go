package train

import (
	"fmt"
	"slices"
	"time"

	"diffuse/internal/kernel"
	"diffuse/internal/model"
	"diffuse/internal/profile"
	"diffuse/internal/team"
)

// A Source holds the images of a batch.
type Source interface {
	// Len is the number of images.
	Len() int
	// Fill writes images [lo, hi): x_0, its noise eps (NHWC, as the net takes
	// them), the timesteps for the net, alphabar at each, and what the net is
	// told of the class. For a classifier the targets are labels, and t, alphabar
	// and class are left alone. Several goroutines call it at once.
	Fill(x, target []float32, t, alphabar []float64, class []int, lo, hi int)
}

// A hand is one goroutine's runner of the net, and the micro-batch it works on.
type hand struct {
	model.Worker
	x, target, y []float32
	t, alphabar  []float64
	class        []int
	weights      []float32 // of the images' losses
}

// crew is the hands that work on micro-batches in parallel, one for each worker
// of the team.
type crew struct {
	team      *team.Team
	net       model.Net
	kernels   *kernel.Set
	sizes     model.Sizes
	objective objective
	micro     int // images of a micro-batch
	profile   *profile.Profile
	hands     []*hand
}

// newCrew makes hands that can compute gradients of micro images.
func newCrew(net model.Net, k *kernel.Set, workers *team.Team, micro int, o objective) (*crew, error) {
	c := &crew{team: workers, net: net, kernels: k, sizes: net.Sizes(), micro: micro, objective: o}
	for range workers.Workers() {
		w, err := net.Worker(micro, true)
		if err != nil {
			return nil, fmt.Errorf("build the net for a micro-batch of %d: %w", micro, err)
		}
		c.hands = append(c.hands, &hand{
			Worker: w,
			x:      make([]float32, micro*c.sizes.Input),
			target: make([]float32, micro*c.sizes.Target),
			y:      make([]float32, micro*c.sizes.Output),
			t:      make([]float64, micro), alphabar: make([]float64, micro), class: make([]int, micro),
			weights: slices.Repeat([]float32{1}, micro),
		})
	}
	return c, nil
}

// microBatches is how many micro-batches n images make.
func (c *crew) microBatches(n int) int { return (n + c.micro - 1) / c.micro }

// load takes micro-batch m of s into the front of h's memory: its first image,
// and how many.
func (c *crew) load(h *hand, s Source, m int) (lo, n int) {
	defer c.profile.Add("batch", time.Now(), 1, profile.Work{})
	lo = m * c.micro
	n = min(s.Len(), lo+c.micro) - lo
	s.Fill(c.inputs(h, n), c.targets(h, n), h.t[:n], h.alphabar[:n], h.class[:n], lo, lo+n)
	if !c.objective.classifies() {
		c.pose(h, n)
	}
	return lo, n
}

// pose makes clean images and noise in the front of h's memory the net's input
// and target, and weighs them.
func (c *crew) pose(h *hand, n int) {
	x, target, alphabar := c.inputs(h, n), c.targets(h, n), h.alphabar[:n]
	if c.objective.predict == PredictsV {
		velocity(c.kernels, c.outputs(h, n), x, target, alphabar)
	}
	noisify(c.kernels, x, target, alphabar)
	if c.objective.predict == PredictsV {
		copy(target, c.outputs(h, n))
	}
	for i, a := range alphabar {
		h.weights[i] = float32(c.objective.weight(a))
	}
}

// inputs, targets and outputs are those of the first n images.
func (c *crew) inputs(h *hand, n int) []float32  { return h.x[:n*c.sizes.Input] }
func (c *crew) targets(h *hand, n int) []float32 { return h.target[:n*c.sizes.Target] }
func (c *crew) outputs(h *hand, n int) []float32 { return h.y[:n*c.sizes.Output] }
