package kernel

import "math"

var portablePairs = gemm{
	width: portableWidth, rows: 2, pairs: true, most: 256 << 10,
	multiply:  func(a *multiplyArgs) { multiplyTiles(a, dotPairs) },
	correlate: func(a *correlateArgs) { correlateTiles(a, outerPairs) },
	panel:     panelPairsPortable,
	narrow:    narrowPortable,
	zip:       zipPortable,
	peak:      func(rounds int) { peakPortable(rounds, dotPairs) },
	products:  2 * peakProducts,
}

// halves are the two bfloat16 values of a cell, exactly.
func halves(cell float32) (low, high float32) {
	bits := math.Float32bits(cell)
	return math.Float32frombits(bits << 16), math.Float32frombits(bits &^ 0xffff)
}

// upper is the bits of x rounded to bfloat16, to nearest even, as the upper
// half of a word.
func upper(x float32) uint32 {
	bits := math.Float32bits(x)
	if x != x {
		return (bits | 1<<22) &^ 0xffff
	}
	return (bits + 0x7fff + bits>>16&1) &^ 0xffff
}

// pair is a cell of two values, rounded to bfloat16.
func pair(low, high float32) float32 { return math.Float32frombits(upper(low)>>16 | upper(high)) }

func narrowPortable(cells, x []float32) {
	for i := range len(x) / 2 {
		cells[i] = pair(x[2*i], x[2*i+1])
	}
}

func zipPortable(cells, low, high []float32) {
	for i, v := range low {
		cells[i] = pair(v, high[i])
	}
}

// dotPairs is dot2 over cells of two terms.
func dotPairs(s0, s1 quad, x0, x1, b []float32) (quad, quad) {
	x1 = x1[:len(x0)]
	for k, u := range x0 {
		ul, uh := halves(u)
		vl, vh := halves(x1[k])
		for j, w := range (*quad)(b[k*portableWidth:]) {
			wl, wh := halves(w)
			s0[j] += uh*wh + ul*wl
			s1[j] += vh*wh + vl*wl
		}
	}
	return s0, s1
}

// outerPairs is outer2 over cells of two pixels.
func outerPairs(s0, s1 quad, x []float32, next int, at []int32, dy []float32) (quad, quad) {
	for p, i := range at {
		ul, uh := halves(x[i])
		vl, vh := halves(x[int(i)+next])
		for j, w := range (*quad)(dy[p*portableWidth:]) {
			wl, wh := halves(w)
			s0[j] += uh*wh + ul*wl
			s1[j] += vh*wh + vl*wl
		}
	}
	return s0, s1
}

func panelPairsPortable(a *panelArgs) {
	sums := a.sums[:portableWidth]
	for r := 0; r < a.rows; r += 2 {
		to := a.panel[r/2*portableWidth:][:portableWidth]
		var low, high [portableWidth]float32
		copy(low[:], a.x[r*a.stride:][:a.cols])
		if r+1 < a.rows {
			copy(high[:], a.x[(r+1)*a.stride:][:a.cols])
		}
		zipPortable(to, low[:], high[:])
		for j := range sums {
			sums[j] += low[j] + high[j]
		}
	}
}
