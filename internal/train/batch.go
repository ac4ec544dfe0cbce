package train

import (
	"diffuse/internal/config"
	"diffuse/internal/dataset"
	"diffuse/internal/model"
	"diffuse/internal/rng"
	"diffuse/internal/schedule"
)

// feed makes batches of a data set's images. Image i at step s has the same
// timestep, noise and place in whatever batch, lane or order it stands.
type feed struct {
	set       *dataset.Set
	data      config.Data
	schedule  *schedule.Schedule
	seed      uint64
	timesteps rng.Stream
	noise     rng.Stream
	augment   bool
	classify  bool      // targets are labels, not noise
	dropout   float64   // share of images whose class is not told
	lognormal []float64 // mean and deviation of ln sigma; none draws all steps alike
}

// training draws new timesteps, noise and moves at each step.
func training(c *config.Config, s *schedule.Schedule, set *dataset.Set) feed {
	return feed{set, c.Data, s, uint64(c.Train.Seed), rng.Timestep, rng.Noise, c.Data.Flip || c.Data.Crop > 0, c.Model.Kind == config.ResNet, c.Model.ClassDropout, c.Train.SigmaLognormal}
}

// validation always draws the same: its batches are of step 0. All classes are told,
// and all steps drawn alike, so that losses compare.
func validation(c *config.Config, s *schedule.Schedule, set *dataset.Set) feed {
	return feed{set, c.Data, s, uint64(c.Train.Seed), rng.ValidTimestep, rng.ValidNoise, false, c.Model.Kind == config.ResNet, 0, nil}
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

func (b *batch) Fill(x, target []float32, t, alphabar []float64, class []int, lo, hi int) {
	f, images := b.feed, b.images[lo:hi]
	f.set.Fill(x, images, f.data.Size, f.data.Range[0], f.data.Range[1], b.move)
	if f.classify {
		for k, i := range images {
			target[k] = float32(f.set.Labels[i])
		}
		return
	}
	size := len(target) / len(images)
	for k, i := range images {
		rng.Normal(target[k*size:(k+1)*size], f.seed, f.noise, uint64(i), b.step)
		t[k], alphabar[k] = f.timestep(uint64(i), b.step)
		class[k] = f.class(i, b.step)
	}
}

// class is what the net is told of an image's class: model.Unknown where it
// drops out (Ho and Salimans 2022, algorithm 1).
func (f *feed) class(image int, step uint64) int {
	if f.dropout > 0 && rng.Uniform(f.seed, rng.ClassDropout, uint64(image), step) < f.dropout {
		return model.Unknown
	}
	return int(f.set.Labels[image])
}

// move is how image i is changed at this step: mirrored one time in two, moved
// by as much as is asked for (torchvision's RandomCrop with that padding).
func (b *batch) move(i int) (m dataset.Move) {
	f := b.feed
	if !f.augment {
		return m
	}
	m.Mirror = f.data.Flip && rng.Intn(2, f.seed, rng.Flip, uint64(i), b.step) == 1
	if places := 2*f.data.Crop + 1; places > 1 {
		at := rng.Intn(places*places, f.seed, rng.Crop, uint64(i), b.step)
		m.Down, m.Right = at/places-f.data.Crop, at%places-f.data.Crop
	}
	return m
}

// timestep draws the t of an image and alphabar there.
func (f *feed) timestep(image, step uint64) (t, alphabar float64) {
	u := rng.Uniform(f.seed, f.timesteps, image, step)
	if len(f.lognormal) > 0 {
		t = f.schedule.DrawLognormal(u, f.lognormal[0], f.lognormal[1])
	} else {
		t = f.schedule.Draw(u)
	}
	return t, f.schedule.AlphabarAt(t)
}
