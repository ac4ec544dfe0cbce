package kernel

import (
	"math"
	"slices"
	"unsafe"
)

// The twins of AMX's kernels in plain Go, so that what lays out tiles is tested on
// machines without them.

// tilesInGo is a Set that multiplies in bfloat16 by the twins.
func tilesInGo() *Set {
	s := *portable
	g := portablePairs
	g.width, g.most = 2*tileRows, 1<<19
	g.amx = &amxKernels{
		product: productInGo, gradient: gradientInGo, rows: rowsInGo, planes: planesInGo, panel: panelInGo,
		turn: turnInGo, rest: restInGo,
		attention: &amxAttention{forward: attentionInGo, gradient: attentionGradientInGo, dots: dotsInGo},
	}
	s.name, s.half, s.bf16 = "amx in Go", &g, "by tiles in Go"
	s.gemm, s.tiles = s.full, s.full
	return &s
}

// at is the values from p on, as many as are asked for.
func at(p *float32, n int) []float32 { return unsafe.Slice(p, n) }

// cellProduct is the sum of both terms' products.
func cellProduct(a, b float32) float32 {
	al, ah := halves(a)
	bl, bh := halves(b)
	return al*bl + ah*bh
}

// half is the i-th bfloat16 of cells.
func half(cells []float32, i int) float32 {
	low, high := halves(cells[i/2])
	if i%2 == 0 {
		return low
	}
	return high
}

func productInGo(a *amxProductArgs) {
	const width = 2 * tileRows
	for r, to := range a.yat {
		if to < 0 {
			continue
		}
		for j := range a.cols {
			var sum float32
			if a.bias != nil {
				sum = a.bias[j]
			}
			for s, from := range a.segments {
				for k := range a.length {
					sum += cellProduct(a.x[int(a.xat[r]+from)+k], a.b[(s*a.length+k)*width+j])
				}
			}
			if a.from != nil {
				sum += a.from[int(to)+j]
			}
			if a.relu != 0 && sum < 0 {
				sum = 0
			}
			a.y[int(to)+j] = sum
		}
	}
}

func gradientInGo(a *amxGradientArgs) {
	const width = 2 * tileRows
	for t, tap := range a.taps {
		for r := range a.rows {
			plane := a.x[r*a.plane:]
			for j := range a.cols {
				sum := a.dw[t*a.size+r*a.stride+j]
				for s, from := range a.at {
					for k := range tileTerms {
						sum += half(plane, int(tap+from)+k) * half(a.dy[(s*tileCells+k/2)*width+j:], k%2)
					}
				}
				a.dw[t*a.size+r*a.stride+j] = sum
			}
		}
	}
}

// value is value i of the k-th pixel of a frame.
func (a *frameArgs) value(k, i int) float32 {
	from := int(a.at[k])
	if from < 0 || i >= a.c {
		return 0
	}
	return at(a.x, from+i+1)[from+i]
}

func rowsInGo(a *frameArgs) {
	to := at(a.to, len(a.at)*a.cells)
	for k := range a.at {
		for i := range a.cells {
			to[k*a.cells+i] = pair(a.value(k, 2*i), a.value(k, 2*i+1))
		}
	}
}

func planesInGo(a *frameArgs) {
	planes := roundUp(a.c, tileRows)
	to := at(a.to, (planes-1)*a.cells+len(a.at)/2)
	for i := range planes {
		for k := range len(a.at) / 2 {
			to[i*a.cells+k] = pair(a.value(2*k, i), a.value(2*k+1, i))
		}
	}
}

func panelInGo(a *frameArgs) {
	const width = 2 * tileRows
	to, sums := at(a.to, len(a.at)/2*width), at(a.sums, a.c)
	for k := range len(a.at) / 2 {
		for i := range width {
			to[k*width+i] = pair(a.value(2*k, i), a.value(2*k+1, i))
			if i < a.c {
				sums[i] += a.value(2*k, i) + a.value(2*k+1, i)
			}
		}
	}
}

func turnInGo(a *frameArgs) {
	const width = 2 * tileRows
	to := at(a.to, a.cells*width)
	for k := range a.cells {
		for j := range width {
			to[k*width+j] = pair(a.value(j, 2*k), a.value(j, 2*k+1))
		}
	}
}

func restInGo(a *frameArgs) {
	to := at(a.to, a.c)
	for i, v := range at(a.x, a.c) {
		to[i] = v - bf16Of(v)
	}
}

// headInGo is what attention's twins read, for one query t: what it has to say of each key.
type headInGo struct{ *amxAttentionArgs }

// column is dim d of the query t in columns of pairs of dims.
func (a headInGo) column(columns *float32, d, t int) float32 {
	return half(at(columns, d/2*a.ldcolumns+t+1)[d/2*a.ldcolumns+t:], d%2)
}

// row is dim d of the key j in rows of pairs of dims.
func (a headInGo) row(rows *float32, d, j int) float32 {
	return half(at(rows, (j+1)*a.ldrows)[j*a.ldrows:], d)
}

// plane is dim d of the key j in planes.
func (a headInGo) plane(d, j int) float32 {
	return half(at(a.planes, (d+1)*a.ldplanes)[d*a.ldplanes:], j)
}

// dots is the products of all keys, or values, with the query t.
func (a headInGo) dots(rows, columns *float32, t int) []float32 {
	dots := make([]float32, a.count)
	for j := range dots {
		for d := range dimLanes {
			dots[j] += a.row(rows, d, j) * a.column(columns, d, t)
		}
	}
	return dots
}

func bf16Of(x float32) float32 { return math.Float32frombits(upper(x)) }

func attentionInGo(args *amxAttentionArgs) {
	a := headInGo{args}
	for t := range a.blocks * amxQueries {
		scores := a.dots(a.keys, a.queries, t)
		top, out := slices.Max(scores), [dimLanes]float32{}
		var sum float32
		for j, s := range scores {
			p := exp2(float64(s - top))
			sum += p
			for d := range out {
				out[d] += bf16Of(p) * a.plane(d, j)
			}
		}
		at(a.top, t+1)[t], at(a.sum, t+1)[t] = top, sum
		for d, o := range out {
			at(a.out, d*a.ldcolumns+t+1)[d*a.ldcolumns+t] = o
		}
	}
}

func attentionGradientInGo(args *amxAttentionArgs) {
	a := headInGo{args}
	dkeys, dvalues := at(a.dkeys, 2*a.count*a.ldrows), at(a.dvalues, 2*a.count*a.ldrows)
	for t := range a.blocks * amxQueries {
		p, dp := a.dots(a.keys, a.queries, t), a.dots(a.values, a.douts, t)
		mean := at(a.sum, t+1)[t]
		for j := range p {
			p[j] = exp2(float64(p[j] + at(a.top, t+1)[t]))
		}
		for d := range dimLanes {
			var dq float32
			query := half(at(a.qpairs, t*a.ldrows+2*dimLanes)[t/2*2*a.ldrows+d:], t%2)
			dout := half(at(a.dpairs, t*a.ldrows+2*dimLanes)[t/2*2*a.ldrows+d:], t%2)
			for j := range p {
				ds := bf16Of(p[j] * (dp[j] - mean))
				dq += ds * a.plane(d, j)
				dkeys[2*j*a.ldrows+d] += ds * query
				dvalues[2*j*a.ldrows+d] += bf16Of(p[j]) * dout
			}
			at(a.out, d*a.ldcolumns+t+1)[d*a.ldcolumns+t] = dq
		}
	}
}

func dotsInGo(a *dotArgs) {
	x, y, out := at(a.a, a.rows*a.n), at(a.b, a.rows*a.n), at(a.out, (a.n/dimLanes-1)*a.ldo+a.rows)
	for r := range a.rows {
		for h := range a.n / dimLanes {
			var sum float32
			for d := range dimLanes {
				i := r*a.n + h*dimLanes + d
				sum += x[i] * y[i]
			}
			out[h*a.ldo+r] = sum
		}
	}
}
