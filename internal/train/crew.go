package train

import (
	"fmt"
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
	// them), the timesteps for the net and alphabar at each. For a classifier
	// the targets are labels, and t and alphabar are left alone. Several
	// goroutines call it at once.
	Fill(x, target []float32, t, alphabar []float64, lo, hi int)
}

// A hand is one goroutine's runner of the net, and the micro-batch it works on.
type hand struct {
	model.Worker
	x, target, y []float32
	t, alphabar  []float64
}

// crew is the hands that work on micro-batches in parallel, one for each worker
// of the team.
type crew struct {
	team     *team.Team
	net      model.Net
	kernels  *kernel.Set
	sizes    model.Sizes
	classify bool // images get no noise
	micro    int  // images of a micro-batch
	profile  *profile.Profile
	hands    []*hand
}

// newCrew makes hands that can compute gradients of micro images.
func newCrew(net model.Net, k *kernel.Set, workers *team.Team, micro int, classify bool) (*crew, error) {
	c := &crew{team: workers, net: net, kernels: k, sizes: net.Sizes(), micro: micro, classify: classify}
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
			t:      make([]float64, micro), alphabar: make([]float64, micro),
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
	s.Fill(c.inputs(h, n), c.targets(h, n), h.t[:n], h.alphabar[:n], lo, lo+n)
	if !c.classify {
		noisify(c.kernels, c.inputs(h, n), c.targets(h, n), h.alphabar[:n])
	}
	return lo, n
}

// inputs, targets and outputs are those of the first n images.
func (c *crew) inputs(h *hand, n int) []float32  { return h.x[:n*c.sizes.Input] }
func (c *crew) targets(h *hand, n int) []float32 { return h.target[:n*c.sizes.Target] }
func (c *crew) outputs(h *hand, n int) []float32 { return h.y[:n*c.sizes.Output] }
