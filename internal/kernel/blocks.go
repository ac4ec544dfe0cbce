package kernel

// block bounds a kernel call to some ten microseconds: assembly cannot be
// preempted, and the garbage collector would wait for it.
const block = 1 << 14

// inBlocks calls f for consecutive ranges [i, j) of n values.
func inBlocks(n int, f func(i, j int)) {
	for i := 0; i < n; i += block {
		f(i, min(i+block, n))
	}
}

// inRows calls f for consecutive ranges [i, j) of the values of whole rows.
func inRows(rows, cols int, f func(i, j int)) {
	step := max(block/cols, 1) * cols
	for i := 0; i < rows*cols; i += step {
		f(i, min(i+step, rows*cols))
	}
}
