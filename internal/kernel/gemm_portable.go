package kernel

// portableWidth is the width of the portable kernels' panels.
const portableWidth = 16

var portableGemm = gemm{
	width: portableWidth, rows: 2, most: 256 << 10,
	multiply: multiplyPortable, correlate: correlatePortable, panel: panelPortable,
	peak: func(rounds int) { peakPortable(rounds, dot2) }, terms: 1,
}

// quad is four neighbouring columns: with two rows of them, the sums of an
// inner loop stay in registers.
type quad [4]float32

// load is up to four columns of s, zeros behind its end.
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

func multiplyPortable(a *multiplyArgs) { multiplyTiles(a, dot2) }

// multiplyTiles is multiply by dot, which adds the products of two rows of
// cells with four columns.
func multiplyTiles(a *multiplyArgs, dot func(s0, s1 quad, x0, x1, b []float32) (quad, quad)) {
	rows := len(a.xat)
	for r := 0; r < rows; r += 2 {
		// An odd last row is computed twice: one loop, one order of rounding.
		next := min(r+1, rows-1)
		for j := 0; j < a.cols; j += len(quad{}) {
			cols := min(a.cols-j, len(quad{}))
			y0, y1 := a.y[int(a.yat[r])+j:][:cols], a.y[int(a.yat[next])+j:][:cols]
			var s0, s1 quad
			if len(a.bias) > 0 {
				s0 = load(a.bias[j:])
				s1 = s0
			}
			if len(a.from) > 0 {
				s0 = s0.plus(a.from[int(a.yat[r])+j:][:cols])
				s1 = s1.plus(a.from[int(a.yat[next])+j:][:cols])
			}
			for s := range a.segments {
				x0 := a.x[int(a.xat[r])+s*a.stride:][:a.length]
				x1 := a.x[int(a.xat[next])+s*a.stride:][:a.length]
				s0, s1 = dot(s0, s1, x0, x1, a.b[s*a.length*portableWidth+j:])
			}
			copy(y0, s0[:])
			copy(y1, s1[:])
		}
	}
}

// dot2 adds Σ_k x0[k]·b[k] and Σ_k x1[k]·b[k] for four columns of a panel b.
func dot2(s0, s1 quad, x0, x1, b []float32) (quad, quad) {
	a0, a1, a2, a3 := s0[0], s0[1], s0[2], s0[3]
	c0, c1, c2, c3 := s1[0], s1[1], s1[2], s1[3]
	x1 = x1[:len(x0)]
	for k, u := range x0 {
		v := x1[k]
		w := (*quad)(b[k*portableWidth:])
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
		for j := 0; j < a.cols; j += len(quad{}) {
			cols := min(a.cols-j, len(quad{}))
			dw0, dw1 := a.dw[r*a.stride+j:][:cols], a.dw[next*a.stride+j:][:cols]
			s0, s1 := outer(load(dw0), load(dw1), a.x[r:], next-r, a.xat, a.dy[j:])
			copy(dw0, s0[:])
			copy(dw1, s1[:])
		}
	}
}

// outer2 adds Σ_p x[at[p]]·dy[p] and Σ_p x[at[p]+next]·dy[p] for four columns
// of a panel dy.
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
