package kernel

type attentionArgs struct {
	out, panel, dpanel, top, sum, lse, left, right, d *float32

	ldo, ldl, ldr, count, dim, add int
}

func avx2Scores(panel, queries []float32, ldq int, keys []float32, ldk, count int, add bool) {
	a := attentionArgs{panel: &panel[0], left: &queries[0], ldl: ldq, right: &keys[0], ldr: ldk, count: count}
	if add {
		a.add = 1
	}
	scoresAVX2(&a)
}

func avx2Powers(panel, top, sum []float32, count int) {
	powersAVX2(&attentionArgs{panel: &panel[0], top: &top[0], sum: &sum[0], count: count})
}

func avx2SoftmaxGrad(panel, dpanel, lse, d []float32, count int) {
	softmaxGradAVX2(&attentionArgs{panel: &panel[0], dpanel: &dpanel[0], lse: &lse[0], d: &d[0], count: count})
}

func avx2AddValues(out []float32, ldo int, panel, values []float32, ldv, count int) {
	addValuesAVX2(&attentionArgs{out: &out[0], ldo: ldo, panel: &panel[0], right: &values[0], ldr: ldv, count: count})
}

func avx2Normalize(out []float32, ldo, dim int, lse, top, sum []float32) {
	normalizeAVX2(&attentionArgs{out: &out[0], ldo: ldo, dim: dim, lse: &lse[0], top: &top[0], sum: &sum[0], count: len(sum)})
}

func avx2AddOuter(out []float32, ldo int, panel, rows []float32, ldr, count int) {
	addOuterAVX2(&attentionArgs{out: &out[0], ldo: ldo, panel: &panel[0], right: &rows[0], ldr: ldr, count: count})
}

func avx2DotColumns(d, a, b []float32, ld, dim int) {
	dotColumnsAVX2(&attentionArgs{out: &d[0], left: &a[0], right: &b[0], ldl: ld, ldr: ld, count: len(d), dim: dim})
}
