// Package train is the training loop: batches, noisify, the gradient summed
// over micro-batches, Adam, learning rates, the moving average of the weights,
// validation and checkpoints.
//
// A run is a function of its config and seed, bit for bit on a given kernel
// set, whatever the number of workers: every random number comes from a
// counter (seed, image, step), every sum is taken in a fixed order. A
// checkpoint holds all that the next step depends on, so that a run resumed
// ends in the bytes of a run never stopped.
package train
