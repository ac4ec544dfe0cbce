package kernel

type attentionArgs struct {
	out, panel, dpanel, top, sum, lse, left, right, d *float32

	ldo, ldl, ldr, count, dim, add int
}

func (i isa) scores(panel, top, queries []float32, ldq int, keys []float32, ldk, count int, add bool) {
	a := attentionArgs{panel: &panel[0], top: &top[0], left: &queries[0], ldl: ldq, right: &keys[0], ldr: ldk, count: count}
	if add {
		a.add = 1
	}
	i.scoresKernel(&a)
}

func (i isa) weigh(panel, top, sum, out []float32, ldo int, values []float32, ldv, count int) {
	i.weighKernel(&attentionArgs{
		panel: &panel[0], top: &top[0], sum: &sum[0], out: &out[0], ldo: ldo, right: &values[0], ldr: ldv, count: count,
	})
}

func (i isa) softmaxGrad(panel, dpanel, lse, d []float32, count int) {
	i.softmaxGradKernel(&attentionArgs{panel: &panel[0], dpanel: &dpanel[0], lse: &lse[0], d: &d[0], count: count})
}

func (i isa) addValues(out []float32, ldo int, panel, values []float32, ldv, count int) {
	i.addValuesKernel(&attentionArgs{out: &out[0], ldo: ldo, panel: &panel[0], right: &values[0], ldr: ldv, count: count})
}

func (i isa) normalize(out []float32, ldo, dim int, lse, top, sum []float32) {
	i.normalizeKernel(&attentionArgs{out: &out[0], ldo: ldo, dim: dim, lse: &lse[0], top: &top[0], sum: &sum[0], count: len(sum)})
}

func (i isa) addOuter(out []float32, ldo int, panel, rows []float32, ldr, count int, scratch []float32) {
	i.addOuterKernel(&attentionArgs{sum: &scratch[0], out: &out[0], ldo: ldo, panel: &panel[0], right: &rows[0], ldr: ldr, count: count})
}

func (i isa) dotColumns(d, a, b []float32, ld, dim int) {
	i.dotColumnsKernel(&attentionArgs{out: &d[0], left: &a[0], right: &b[0], ldl: ld, ldr: ld, count: len(d), dim: dim})
}

// pairAttention is the kernels of csrc/attention_pairs.c.
func (i isa) pairAttention() *pairAttention {
	return &pairAttention{
		scores: i.scoresPairsKernel, gradient: i.gradientPairsKernel, outer: i.outerPairsKernel, zipRows: i.zipRowsKernel,
	}
}
