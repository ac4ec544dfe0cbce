package kernel

// vectors is the table of an instruction set's micro-kernels other than
// matrix products.
type vectors struct{}

var portableVectors = vectors{}
