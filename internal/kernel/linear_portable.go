package kernel

// portableLinear is in plain Go: tiles are those that keep their sums in registers.
var portableLinear = linear{
	rows: 2, cols: 4,
	tiles: tiles64Portable, symmetric: symmetric64Portable,
	dots: dots64Portable, combine: combine64Portable, turn: turn64Portable,
}

func tiles64Portable(c []float64, ldc int, alpha float64, a, b []float64, tiles, terms int) {
	for t := range tiles {
		s0, s1 := dotTile64(a[t*2*terms:][:2*terms], b)
		c0, c1 := c[2*t*ldc:][:4], c[(2*t+1)*ldc:][:4]
		for j := range c0 {
			c0[j] += alpha * s0[j]
			c1[j] += alpha * s1[j]
		}
	}
}

// dotTile64 is the sums of a tile: two rows of A, a term's side by side, by a
// panel of four columns.
func dotTile64(a, b []float64) (s0, s1 [4]float64) {
	var p0, p1, p2, p3, q0, q1, q2, q3 float64
	for len(a) >= 4 { // arrays of known length are indexed without a check
		u, v := (*[4]float64)(a), (*[8]float64)(b)
		p0 += u[0] * v[0]
		p1 += u[0] * v[1]
		p2 += u[0] * v[2]
		p3 += u[0] * v[3]
		q0 += u[1] * v[0]
		q1 += u[1] * v[1]
		q2 += u[1] * v[2]
		q3 += u[1] * v[3]

		p0 += u[2] * v[4]
		p1 += u[2] * v[5]
		p2 += u[2] * v[6]
		p3 += u[2] * v[7]
		q0 += u[3] * v[4]
		q1 += u[3] * v[5]
		q2 += u[3] * v[6]
		q3 += u[3] * v[7]
		a, b = a[4:], b[8:]
	}
	if len(a) > 0 { // an odd last term
		u, v := (*[2]float64)(a), (*[4]float64)(b)
		p0 += u[0] * v[0]
		p1 += u[0] * v[1]
		p2 += u[0] * v[2]
		p3 += u[0] * v[3]
		q0 += u[1] * v[0]
		q1 += u[1] * v[1]
		q2 += u[1] * v[2]
		q3 += u[1] * v[3]
	}
	return [4]float64{p0, p1, p2, p3}, [4]float64{q0, q1, q2, q3}
}

// symmetric64Portable treats two rows at a time: each element of y and x that
// they share is loaded once.
func symmetric64Portable(y, a []float64, lda int, x []float64, rows, cols int) {
	for i := 0; i < rows; i += 2 {
		r0, r1 := a[i*lda:][i:cols], a[(i+1)*lda:][i:cols]
		xs, ys := x[i:cols], y[i:cols]
		x0, x1 := xs[0], xs[1]
		s0, s1 := r0[0]*x0+r0[1]*x1, r1[0]*x0+r1[1]*x1
		r0, r1, xs, ys = r0[2:], r1[2:], xs[2:], ys[2:]
		for j, v := range xs {
			s0 += r0[j] * v
			s1 += r1[j] * v
			ys[j] += r0[j]*x0 + r1[j]*x1
		}
		y[i] += s0
		y[i+1] += s1
	}
}

func dots64Portable(y, m []float64, ld int, x []float64) {
	for r := range y {
		row := m[r*ld:][:len(x)]
		var even, odd float64 // two sums do not wait for each other
		for j := 0; j+1 < len(row); j += 2 {
			even += row[j] * x[j]
			odd += row[j+1] * x[j+1]
		}
		y[r] = even + odd
	}
}

func combine64Portable(y, m []float64, ld int, x []float64) {
	for r, v := range x {
		row := m[r*ld:][:len(y)]
		for j := range y {
			y[j] += v * row[j]
		}
	}
}

func turn64Portable(dst []float64, ldd int, src []float64, lds, rows, cols int) {
	for i := range rows {
		for j, v := range src[i*lds:][:cols] {
			dst[j*ldd+i] = v
		}
	}
}
