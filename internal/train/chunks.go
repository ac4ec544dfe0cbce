package train

// chunk is how many parameters a worker takes at a time in a pass over all of
// them. It is fixed, so that sums of chunks are the same for any worker count.
const chunk = 1 << 16

// chunks is how many chunks n parameters make.
func chunks(n int) int { return (n + chunk - 1) / chunk }

// bounds are where chunk i of n parameters begins and ends.
func bounds(i, n int) (lo, hi int) { return i * chunk, min(n, (i+1)*chunk) }
