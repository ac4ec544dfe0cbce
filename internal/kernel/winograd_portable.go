package kernel

import "math"

// The points other than 0 and infinity, and what G's rows at them are
// multiplied by.
const (
	pointA = math.Sqrt2 / 2
	pointB = math.Sqrt2
	nearG  = -2.0 / 3
	farG   = -1.0 / 3
)

// line is up to six values of a row or column of a tile.
type line [tileIn]float32

// inputLine is Bᵀ·x.
func inputLine(x line) line {
	near, nearOdd := x[4]-2*x[2], pointA*(x[3]-2*x[1])
	far, farOdd := x[2]/4-x[4]/2, pointB/2*(x[3]-x[1]/2)
	return line{x[0] + x[4] - 2.5*x[2], near + nearOdd, near - nearOdd, far - farOdd, far + farOdd, x[1] + x[5] - 2.5*x[3]}
}

// outputLine is Aᵀ·m, four values.
func outputLine(m line) line {
	s1, d1, s2, d2 := m[1]+m[2], m[1]-m[2], m[3]+m[4], m[3]-m[4]
	return line{m[0] + s1 + s2, pointA*d1 + pointB*d2, s1/2 + 2*s2, pointA/2*d1 + 2*pointB*d2 + m[5]}
}

// gradientLine is A·y, of four values.
func gradientLine(y line) line {
	near, nearOdd := y[0]+y[2]/2, pointA*(y[1]+y[3]/2)
	far, farOdd := y[0]+2*y[2], pointB*(y[1]+2*y[3])
	return line{y[0], near + nearOdd, near - nearOdd, far + farOdd, far - farOdd, y[3]}
}

// weightLine is G·w, of three values.
func weightLine(w line) line {
	near, nearOdd := nearG*(w[0]+w[2]/2), nearG*pointA*w[1]
	far, farOdd := farG*(w[0]+2*w[2]), farG*pointB*w[1]
	return line{w[0], near + nearOdd, near - nearOdd, far + farOdd, far - farOdd, w[2]}
}

// weightGradientLine is Gᵀ·u, three values.
func weightGradientLine(u line) line {
	s1, d1, s2, d2 := u[1]+u[2], u[1]-u[2], u[3]+u[4], u[3]-u[4]
	return line{u[0] + nearG*s1 + farG*s2, nearG*pointA*d1 + farG*pointB*d2, nearG/2*s1 + farG*2*s2 + u[5]}
}

// square is a tile's values.
type square [tileIn]line

// transposed exchanges rows and columns.
func (q square) transposed() (t square) {
	for i, row := range q {
		for j, v := range row {
			t[j][i] = v
		}
	}
	return t
}

// transform applies f to each column, then to each row.
func (q square) transform(f func(line) line) square {
	for range 2 {
		q = q.transposed()
		for i := range q {
			q[i] = f(q[i])
		}
	}
	return q
}

// pixels reads size×size pixels of one channel.
func (a *tileArgs) pixels(channel, size int) (q square) {
	for i := range size {
		for j := range size {
			q[i][j] = a.x[i*a.pitch+j*a.stride+channel]
		}
	}
	return q
}

// fromPlanes reads the 36 planes of one channel.
func (a *tileArgs) fromPlanes(channel int) (q square) {
	for p := range tileSize {
		q[p/tileIn][p%tileIn] = a.x[p*a.plane+channel]
	}
	return q
}

// toPlanes writes the 36 planes' values at one place.
func (a *tileArgs) toPlanes(at int, q square) {
	for p := range tileSize {
		a.to[p*a.plane+at] = q[p/tileIn][p%tileIn]
	}
}

func tileInputPortable(a *tileArgs) {
	for i := range a.n {
		a.toPlanes(i, a.pixels(i, tileIn).transform(inputLine))
	}
}

func tileOutputPortable(a *tileArgs) {
	for i := range a.n {
		q := a.fromPlanes(i).transform(outputLine)
		for row := range a.rows {
			for col := range a.cols {
				at := row*a.pitch + col*a.stride + i
				v := q[row][col] + a.bias[i]
				if len(a.from) > 0 {
					v += a.from[at]
				}
				if a.relu != 0 && v < 0 {
					v = 0
				}
				a.to[at] = v
			}
		}
	}
}

func tileGradientPortable(a *tileArgs) {
	for i := range roundUp(a.n, portableWidth) {
		var q square
		if i < a.n {
			q = a.pixels(i, tileOut).transform(gradientLine)
		}
		a.toPlanes(i/portableWidth*a.panel+i%portableWidth, q)
	}
}

func tileWeightsPortable(a *tileArgs) {
	for i := range a.n {
		a.toPlanes(i, a.pixels(i, 3).transform(weightLine))
	}
}

func tileWeightGradientPortable(a *tileArgs) {
	for i := range a.n {
		q := a.fromPlanes(i).transform(weightGradientLine)
		for row := range 3 {
			for col := range 3 {
				a.to[row*a.pitch+col*a.stride+i] += q[row][col]
			}
		}
	}
}
