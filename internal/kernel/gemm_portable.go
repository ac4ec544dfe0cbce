package kernel

// portableWidth is the width of the portable kernels' panels: with two rows of
// four columns, the sums of an inner loop stay in registers.
const portableWidth = 4

var portableGemm = gemm{
	width: portableWidth, rows: 2, most: 256 << 10,
	multiply: multiplyPortable, correlate: correlatePortable, panel: panelPortable,
	peak: func(rounds int) { peakPortable(rounds, dot2) }, products: peakProducts,
}

// quad is the columns of a panel.
type quad [portableWidth]float32

// unrolled is how many cells the inner loops treat at a time: arrays of known
// length are indexed without a check.
const unrolled = 4

// load is the columns of s, zeros behind its end.
func load(s []float32) (q quad) {
	copy(q[:], s)
	return q
}

// plus is q with s added, zeros behind its end.
func (q quad) plus(s []float32) quad {
	for i, v := range s {
		q[i] += v
	}
	return q
}

// relu is q with 0 for what is negative.
func (q quad) relu() quad {
	for i, v := range q {
		if v < 0 {
			q[i] = 0
		}
	}
	return q
}

func multiplyPortable(a *multiplyArgs) { multiplyTiles(a, dot2) }

// multiplyTiles is multiply by dot, which adds the products of two rows of
// cells with a panel.
func multiplyTiles(a *multiplyArgs, dot func(s0, s1 quad, x0, x1, b []float32) (quad, quad)) {
	rows := len(a.xat)
	for r := 0; r < rows; r += 2 {
		// An odd last row is computed twice: one loop, one order of rounding.
		next := min(r+1, rows-1)
		y0, y1 := a.y[a.yat[r]:][:a.cols], a.y[a.yat[next]:][:a.cols]
		s0 := load(a.bias)
		s1 := s0
		if len(a.from) > 0 {
			s0 = s0.plus(a.from[a.yat[r]:][:a.cols])
			s1 = s1.plus(a.from[a.yat[next]:][:a.cols])
		}
		for s := range a.segments {
			x0 := a.x[int(a.xat[r])+s*a.stride:][:a.length]
			x1 := a.x[int(a.xat[next])+s*a.stride:][:a.length]
			s0, s1 = dot(s0, s1, x0, x1, a.b[s*a.length*portableWidth:])
		}
		if a.relu != 0 {
			s0, s1 = s0.relu(), s1.relu()
		}
		copy(y0, s0[:])
		copy(y1, s1[:])
	}
}

// dot2 adds Σ_k x0[k]·b[k] and Σ_k x1[k]·b[k] for the columns of a panel b.
func dot2(s0, s1 quad, x0, x1, b []float32) (quad, quad) {
	a0, a1, a2, a3 := s0[0], s0[1], s0[2], s0[3]
	c0, c1, c2, c3 := s1[0], s1[1], s1[2], s1[3]
	for len(x0) >= unrolled {
		u, v, w := (*[unrolled]float32)(x0), (*[unrolled]float32)(x1), (*[unrolled * portableWidth]float32)(b)
		a0 += u[0] * w[0]
		a1 += u[0] * w[1]
		a2 += u[0] * w[2]
		a3 += u[0] * w[3]
		c0 += v[0] * w[0]
		c1 += v[0] * w[1]
		c2 += v[0] * w[2]
		c3 += v[0] * w[3]

		a0 += u[1] * w[4]
		a1 += u[1] * w[5]
		a2 += u[1] * w[6]
		a3 += u[1] * w[7]
		c0 += v[1] * w[4]
		c1 += v[1] * w[5]
		c2 += v[1] * w[6]
		c3 += v[1] * w[7]

		a0 += u[2] * w[8]
		a1 += u[2] * w[9]
		a2 += u[2] * w[10]
		a3 += u[2] * w[11]
		c0 += v[2] * w[8]
		c1 += v[2] * w[9]
		c2 += v[2] * w[10]
		c3 += v[2] * w[11]

		a0 += u[3] * w[12]
		a1 += u[3] * w[13]
		a2 += u[3] * w[14]
		a3 += u[3] * w[15]
		c0 += v[3] * w[12]
		c1 += v[3] * w[13]
		c2 += v[3] * w[14]
		c3 += v[3] * w[15]
		x0, x1, b = x0[unrolled:], x1[unrolled:], b[unrolled*portableWidth:]
	}
	for k, u := range x0 {
		v, w := x1[k], (*quad)(b[k*portableWidth:])
		a0 += u * w[0]
		a1 += u * w[1]
		a2 += u * w[2]
		a3 += u * w[3]
		c0 += v * w[0]
		c1 += v * w[1]
		c2 += v * w[2]
		c3 += v * w[3]
	}
	return quad{a0, a1, a2, a3}, quad{c0, c1, c2, c3}
}

// peakPortable does rounds of peakProducts products of cells. Go keeps what it can in registers.
func peakPortable(rounds int, dot func(s0, s1 quad, x0, x1, b []float32) (quad, quad)) {
	var s0, s1 quad
	var x [peakRow]float32
	var b [peakRow * portableWidth]float32
	for range rounds * peakProducts / (2 * len(s0) * peakRow) {
		s0, s1 = dot(s0, s1, x[:], x[:], b[:])
	}
}

// peakRow is a row of cells that stays in the nearest cache with its weights.
const peakRow = 64

func correlatePortable(a *correlateArgs) { correlateTiles(a, outer2) }

func correlateTiles(a *correlateArgs, outer func(s0, s1 quad, x []float32, next int, at []int32, dy []float32) (quad, quad)) {
	for r := 0; r < a.rows; r += 2 {
		next := min(r+1, a.rows-1)
		dw0, dw1 := a.dw[r*a.stride:][:a.cols], a.dw[next*a.stride:][:a.cols]
		s0, s1 := outer(load(dw0), load(dw1), a.x[r:], next-r, a.xat, a.dy)
		copy(dw0, s0[:])
		copy(dw1, s1[:])
	}
}

// outer2 adds Σ_p x[at[p]]·dy[p] and Σ_p x[at[p]+next]·dy[p] for a panel dy.
func outer2(s0, s1 quad, x []float32, next int, at []int32, dy []float32) (quad, quad) {
	a0, a1, a2, a3 := s0[0], s0[1], s0[2], s0[3]
	c0, c1, c2, c3 := s1[0], s1[1], s1[2], s1[3]
	for p, i := range at {
		u, v := x[i], x[int(i)+next]
		w := (*quad)(dy[p*portableWidth:])
		a0 += u * w[0]
		a1 += u * w[1]
		a2 += u * w[2]
		a3 += u * w[3]
		c0 += v * w[0]
		c1 += v * w[1]
		c2 += v * w[2]
		c3 += v * w[3]
	}
	return quad{a0, a1, a2, a3}, quad{c0, c1, c2, c3}
}

func panelPortable(a *panelArgs) {
	sums := a.sums[:portableWidth]
	for r := range a.rows {
		to := a.panel[r*portableWidth:][:portableWidth]
		n := copy(to, a.x[r*a.stride:][:a.cols])
		clear(to[n:])
		for j, v := range to {
			sums[j] += v
		}
	}
}
