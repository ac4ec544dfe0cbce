// Package model builds the nets: graphs of ops over named parameters.
package model

import (
	"diffuse/internal/config"
	"diffuse/internal/kernel"
	"diffuse/internal/profile"
	"diffuse/internal/team"
)

// Images are the images a net is for: Size×Size pixels of so many channels, in
// so many classes, which a classifier and a conditional U-Net mind.
type Images struct{ Size, Channels, Classes int }

// New lays out the net of a config, to be computed by a kernel set in its
// precision; its parameters are zero until Init or a checkpoint fills them.
// grad says whether it will be trained.
func New(c config.Model, im Images, grad bool, kernels *kernel.Set) (Net, error) {
	if c.Kind == config.ResNet {
		return NewResNet(c, im, grad, kernels)
	}
	return NewUNet(c, im, grad, kernels)
}

// Count is the number of parameters of the net that New would make.
func Count(c config.Model, im Images) int {
	if c.Kind == config.ResNet {
		return CountResNet(c, im)
	}
	return CountUNet(c, im)
}

// Net is a network whose parameters can be trained and which runs on images.
type Net interface {
	// Params are the net's parameters. Whoever changes Params().Data calls
	// Repack before a worker runs again.
	Params() *Params
	// Repack derives the forms the kernels want from Params().Data; a team,
	// where there is one, shares the layers out.
	Repack(t *team.Team)
	// Init draws initial weights.
	Init(seed int64)
	// Measure makes workers that have not run yet add to p where their time
	// goes; apart says whether layers of different sizes are told apart.
	Measure(p *profile.Profile, apart bool)
	// Track moves running statistics by what Gradients summed up over so many
	// images behind the trained parameters' gradients.
	Track(sum []float32, images int)
	// Worker makes a runner for up to n images at a time; grad says whether it
	// can also compute gradients. A worker belongs to one goroutine.
	Worker(n int, grad bool) (Worker, error)
	// Sizes are how many values an image takes.
	Sizes() Sizes
	// Loss writes the loss of each image's output y to loss: what Gradients
	// would, of a prediction.
	Loss(loss []float64, y, target []float32)
}

// Sizes are how many values an image has on its way through a net.
type Sizes struct {
	Input  int
	Output int
	Target int // what the output is compared with; a loss is a sum of so many terms
}

// Unknown is the class of an image that a conditional net is not told: it then
// speaks of all classes.
const Unknown = -1

// Worker runs a net on a micro-batch, on one goroutine. Images are NHWC,
// float32, back to back; a call takes any number of them up to the worker's n.
type Worker interface {
	// Predict writes the net's output for images x at timesteps t, nil for a net
	// that knows no time, to y. class is each image's, from 0 on or Unknown; nil is
	// Unknown for all, and a net that is not conditional does not read it.
	Predict(y, x []float32, t []float64, class []int) error
	// Gradients adds to grad, laid out as Params().Data, the gradient of scale
	// times the sum of the images' losses and writes those to loss. Where weights
	// is not nil, each image's squared error is multiplied by its own.
	Gradients(grad []float32, loss []float64, x, target []float32, t []float64, class []int, weights []float32, scale float32) error
	// FirstNonFinite names the first layer whose output of the last call
	// holds a NaN or an infinity; it is empty where there is none.
	FirstNonFinite() string
}
