// Package model builds the nets: graphs of ops over named parameters.
package model

import "diffuse/internal/team"

// Net is a network whose parameters can be trained and which runs on images.
type Net interface {
	// Params are the net's parameters. Whoever changes Params().Data calls
	// Repack before a worker runs again.
	Params() *Params
	// Repack derives the forms the kernels want from Params().Data; a team,
	// where there is one, shares the layers out.
	Repack(t *team.Team)
	// Worker makes a runner for up to n images at a time; grad says whether it
	// can also compute gradients. A worker belongs to one goroutine.
	Worker(n int, grad bool) (Worker, error)
}

// Worker runs a net on a micro-batch, on one goroutine. Images are NHWC,
// float32, back to back; a call takes any number of them up to the worker's n.
type Worker interface {
	// Predict writes the net's output for images x at timesteps t to y.
	Predict(y, x []float32, t []float64) error
	// Gradients adds to grad, laid out as Params().Data, the gradient of
	// scale·Σ(y−target)² and writes each image's Σ(y−target)² to loss.
	Gradients(grad []float32, loss []float64, x, target []float32, t []float64, scale float32) error
	// FirstNonFinite names the first layer whose output of the last call
	// holds a NaN or an infinity; it is empty where there is none.
	FirstNonFinite() string
}
