package train

import (
	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"
)

// feed makes batches of a data set's images. Image i at step s has the same
// timestep, noise and mirroring in whatever batch, lane or place it stands.
type feed struct {
	set       *dataset.Set
	data      config.Data
	schedule  *schedule.Schedule
	seed      uint64
	timesteps rng.Stream
	noise     rng.Stream
	flip      bool
}

// training draws new timesteps and noise at each step.
func training(c *config.Config, s *schedule.Schedule, set *dataset.Set) feed {
	return feed{set, c.Data, s, uint64(c.Train.Seed), rng.Timestep, rng.Noise, c.Data.Flip}
}

// validation always draws the same: its batches are of step 0.
func validation(c *config.Config, s *schedule.Schedule, set *dataset.Set) feed {
	return feed{set, c.Data, s, uint64(c.Train.Seed), rng.ValidTimestep, rng.ValidNoise, false}
}

// at is the batch of the images of these indices at a step.
func (f *feed) at(images []int, step int) batch { return batch{f, images, uint64(step)} }

// batch is a Source.
type batch struct {
	feed   *feed
	images []int
	step   uint64
}

func (b *batch) Len() int { return len(b.images) }

func (b *batch) Fill(x0, eps []float32, t, alphabar []float64, lo, hi int) {
	f, images := b.feed, b.images[lo:hi]
	f.set.Fill(x0, images, f.data.Size, f.data.Range[0], f.data.Range[1], b.mirrored)
	size := len(eps) / len(images)
	for k, i := range images {
		rng.Normal(eps[k*size:(k+1)*size], f.seed, f.noise, uint64(i), b.step)
		t[k], alphabar[k] = f.timestep(uint64(i), b.step)
	}
}

// mirrored tells whether image i is flipped at this step: one in two.
func (b *batch) mirrored(i int) bool {
	return b.feed.flip && rng.Intn(2, b.feed.seed, rng.Flip, uint64(i), b.step) == 1
}

// timestep draws the t of an image and alphabar there.
func (f *feed) timestep(image, step uint64) (t, alphabar float64) {
	t = f.schedule.Draw(rng.Uniform(f.seed, f.timesteps, image, step))
	return t, f.schedule.AlphabarAt(t)
}
