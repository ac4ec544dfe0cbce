package sample

import (
	"context"
	"fmt"
	"math"
	"sync"

	"diffuse/internal/fault"
)

// Denoiser predicts the noise in x_t: y and x are images, NHWC, back to back, t is
// the time of each and class what each is to be: nil where nothing is said of
// that. A denoiser is used by one goroutine at a time. model.Worker is one.
type Denoiser interface {
	Predict(y, x []float32, t []float64, class []int) error
}

// Pair is a net that draws and the one that guides it where the sampler is to be
// guided: a worse net of the same images, told the same class (autoguidance: Karras
// et al. 2024, "Guiding a diffusion model with a bad version of itself"), or nil for
// the net itself, told no class (classifier-free guidance: Ho and Salimans 2022).
type Pair struct{ Net, Guide Denoiser }

// Shape is the size of one image.
type Shape struct{ H, W, C int }

// Len is the number of values in an image.
func (s Shape) Len() int { return s.H * s.W * s.C }

// Seeds are n seeds from first on, which is at least 0.
func Seeds(first int64, n int) []uint64 {
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = uint64(first) + uint64(i)
	}
	return seeds
}

// State is what a watcher sees of one step of some of the images. The slices are
// overwritten by the next step: copy what is kept.
type State struct {
	First int // index of the first image among those that are drawn
	N     int // how many images
	Step  int // index of the step among the sampler's
	T     float64
	X     []float32 // x_t as the net sees it: before the step, churned if the sampler churns
	X0Hat []float32 // clamped if the sampler clamps
	Eps   []float32 // eps_hat; it follows a clamped X0Hat if the sampler's does
	Next  []float32 // x_s, after the step
}

// Options are how images are drawn; none of them changes an image.
type Options struct {
	Batch    int                   // images a net denoises at a time, at least 1
	Progress func(done, total int) // of net calls, counted for each image; one call at a time
	Watch    func(State)           // each step of each batch; called by several goroutines
}

// Draw draws one image for each seed: values in the range the net was trained
// in, NHWC, back to back, in the order of seeds. Every pair works on its own
// goroutine. Image i depends on seeds[i], the sampler and the pair alone: x_T, or the
// noise over what From begins with, is rng's stream SampleStart, the noise of step k
// its stream SampleStep at step k.
func (s *Sampler) Draw(ctx context.Context, nets []Pair, shape Shape, seeds []uint64, o Options) ([]float32, error) {
	if len(nets) == 0 || o.Batch < 1 || shape.Len() < 1 {
		return nil, fmt.Errorf("draw: %d nets, batches of %d, images of %v", len(nets), o.Batch, shape)
	}
	d := &drawing{
		Sampler: s, shape: shape, seeds: seeds, options: o,
		images: make([]float32, len(seeds)*shape.Len()),
		total:  len(seeds) * s.NetCalls(),
	}
	// A few images are shared out, rather than given to one net.
	size := min(o.Batch, (len(seeds)+len(nets)-1)/len(nets))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan int, len(seeds))
	for first := 0; first < len(seeds); first += size {
		batches <- first
	}
	close(batches)
	var wg sync.WaitGroup
	for _, pair := range nets {
		wg.Go(func() {
			for first := range batches {
				if err := d.batch(ctx, pair, first, min(size, len(seeds)-first)); err != nil {
					cancel(err) // the first error is the one that is told
					return
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return d.images, nil
}

// drawing is one call of Draw.
type drawing struct {
	*Sampler
	shape   Shape
	seeds   []uint64
	options Options
	images  []float32

	mu          sync.Mutex
	done, total int
}

// batch draws images first…first+n−1 with one pair.
func (d *drawing) batch(ctx context.Context, pair Pair, first, n int) error {
	b := d.newBatch(pair, first, n)
	b.start()
	for k := range d.Steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := b.step(k); err != nil {
			return err
		}
	}
	size := d.shape.Len()
	if i := firstNonFinite(b.x); i >= 0 {
		return fault.New(fault.Failure, "", "sample: the image of seed %d is not finite: the net is damaged or diverged in training", b.seeds[i/size])
	}
	copy(d.images[first*size:], b.x)
	return nil
}

// report counts one call of the net on n images.
func (d *drawing) report(n int) {
	if d.options.Progress == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done += n
	d.options.Progress(d.done, d.total)
}

// firstNonFinite is the index of the first NaN or infinity in x, or −1.
func firstNonFinite(x []float32) int {
	for i, v := range x {
		if v := float64(v); math.IsNaN(v) || math.IsInf(v, 0) {
			return i
		}
	}
	return -1
}
