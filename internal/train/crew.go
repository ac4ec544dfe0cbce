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
	// Fill writes images [lo, hi): x_0 and its noise eps (NHWC, as the net
	// takes them), the timesteps for the net and alphabar at each. Several
	// goroutines call it at once.
	Fill(x0, eps []float32, t, alphabar []float64, lo, hi int)
}

// A hand is one goroutine's runner of the net, and the micro-batch it works on.
type hand struct {
	model.Worker
	x, eps, y   []float32
	t, alphabar []float64
}

// crew is the hands that work on micro-batches in parallel, one for each worker
// of the team.
type crew struct {
	team    *team.Team
	kernels *kernel.Set
	size    int // elements of an image
	micro   int // images of a micro-batch
	profile *profile.Profile
	hands   []*hand
}

// newCrew makes hands that can compute gradients of micro images of size
// elements each.
func newCrew(net model.Net, k *kernel.Set, workers *team.Team, micro, size int) (*crew, error) {
	c := &crew{team: workers, kernels: k, size: size, micro: micro}
	for range workers.Workers() {
		w, err := net.Worker(micro, true)
		if err != nil {
			return nil, fmt.Errorf("build the net for a micro-batch of %d: %w", micro, err)
		}
		c.hands = append(c.hands, &hand{
			Worker: w,
			x:      make([]float32, micro*size), eps: make([]float32, micro*size), y: make([]float32, micro*size),
			t: make([]float64, micro), alphabar: make([]float64, micro),
		})
	}
	return c, nil
}

// microBatches is how many micro-batches n images make.
func (c *crew) microBatches(n int) int { return (n + c.micro - 1) / c.micro }

// load takes micro-batch m of s: its first and last image, and how many.
func (c *crew) load(h *hand, s Source, m int) (lo, n int) {
	defer c.profile.Add("batch", time.Now(), 1, profile.Work{})
	lo = m * c.micro
	n = min(s.Len(), lo+c.micro) - lo
	s.Fill(h.x[:n*c.size], h.eps[:n*c.size], h.t[:n], h.alphabar[:n], lo, lo+n)
	noisify(c.kernels, h.x[:n*c.size], h.eps[:n*c.size], h.alphabar[:n])
	return lo, n
}
