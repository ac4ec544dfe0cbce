package kernel

import "math"

// queryLanes is the number of queries in the portable kernels' panels.
const queryLanes = 8

// lane is a value of each query of a panel.
type lane = [queryLanes]float32

// scoresPortable writes, or adds if add, the dot products of count keys (rows)
// with queryLanes queries (columns) over dimLanes dims to panel
// [count][queryLanes], and each query's highest one to top.
func scoresPortable(panel, top, queries []float32, ldq int, keys []float32, ldk, count int, add bool) {
	most := (*lane)(top)
	for l := range most {
		most[l] = float32(math.Inf(-1))
	}
	for j := range count {
		var row lane
		if add {
			row = lane(panel[j*queryLanes:])
		}
		for d, k := range keys[j*ldk:][:dimLanes] {
			for l, q := range (*lane)(queries[d*ldq:]) {
				row[l] += k * q
			}
		}
		for l, s := range row {
			most[l] = max(most[l], s)
		}
		copy(panel[j*queryLanes:], row[:])
	}
}

// weighPortable turns panel [count][queryLanes], scores in base 2, into
// 2^(s−top) of each lane, writes the sums of the powers to sum and adds
// panelᵀ·values over dimLanes dims to out.
func weighPortable(panel, top, sum, out []float32, ldo int, values []float32, ldv, count int) {
	for l := range queryLanes {
		sum[l] = 0
		for j := range count {
			p := exp2(float64(panel[j*queryLanes+l] - top[l]))
			panel[j*queryLanes+l] = p
			sum[l] += p
		}
	}
	addValuesPortable(out, ldo, panel, values, ldv, count)
}

// gradientPortable is one panel's P and dS, and its share of dq.
func gradientPortable(a *gradientArgs) {
	var top lane
	scoresPortable(a.panel, top[:], a.queries, a.ldc, a.keys, a.ldr, a.count, false)
	scoresPortable(a.dpanel, top[:], a.douts, a.ldc, a.values, a.ldr, a.count, false)
	softmaxGradPortable(a.panel, a.dpanel, a.lse, a.d, a.count)
	addValuesPortable(a.dqueries, a.ldc, a.dpanel, a.keys, a.ldr, a.count)
}

// softmaxGradPortable turns panel, scores in base 2, into the probabilities
// P = 2^(s−lse) and dpanel, dP, into dS = P∘(dP−d), both [count][queryLanes].
func softmaxGradPortable(panel, dpanel, lse, d []float32, count int) {
	for j := range count {
		for l := range queryLanes {
			i := j*queryLanes + l
			p := exp2(float64(panel[i] - lse[l]))
			panel[i] = p
			dpanel[i] = p * (dpanel[i] - d[l])
		}
	}
}

// addValuesPortable adds panelᵀ·values over dimLanes dims to out
// [dimLanes][queryLanes].
func addValuesPortable(out []float32, ldo int, panel, values []float32, ldv, count int) {
	for d := range dimLanes {
		sum := lane(out[d*ldo:])
		for j := range count {
			v := values[j*ldv+d]
			for l, p := range (*lane)(panel[j*queryLanes:]) {
				sum[l] += p * v
			}
		}
		copy(out[d*ldo:], sum[:])
	}
}

// normalizePortable divides each query's column of out [dim][len(sum)] by its
// sum and writes log Σ exp of its scores, back in base e, to lse.
func normalizePortable(out []float32, ldo, dim int, lse, top, sum []float32) {
	for t, total := range sum {
		lse[t] = float32(math.Ln2*float64(top[t]) + math.Log(float64(total)))
		for d := range dim {
			out[d*ldo+t] /= total
		}
	}
}

// addOuterPortable adds panel [count][queryLanes] · rows [queryLanes][dimLanes]
// to out [count][dimLanes].
func addOuterPortable(out []float32, ldo int, panel, rows []float32, ldr, count int, _ []float32) {
	for j := range count {
		sum := [dimLanes]float32(out[j*ldo:])
		for l, p := range (*lane)(panel[j*queryLanes:]) {
			for d, r := range (*[dimLanes]float32)(rows[l*ldr:]) {
				sum[d] += p * r
			}
		}
		copy(out[j*ldo:], sum[:])
	}
}

// dotColumnsPortable writes Σ a·b over the dims of each query to d; a and b
// are [dim][ld].
func dotColumnsPortable(d, a, b []float32, ld, dim int) {
	for t := range d {
		var sum float32
		for i := range dim {
			sum += a[i*ld+t] * b[i*ld+t]
		}
		d[t] = sum
	}
}
