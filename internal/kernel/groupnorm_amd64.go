package kernel

type normArgs struct {
	sum, sq, y, x, dy, a, b, k, mean, from *float32
	rows, c                                int
}

func (i isa) moments(sum, sq, x []float32) {
	c := len(sum)
	i.momentsKernel(&normArgs{sum: &sum[0], sq: &sq[0], x: &x[0], rows: len(x) / c, c: c})
}

func (i isa) affine(y, x, a, b []float32) {
	c := len(a)
	i.affineKernel(&normArgs{y: &y[0], x: &x[0], a: &a[0], b: &b[0], rows: len(x) / c, c: c})
}

func (i isa) affineSiLU(y, x, a, b []float32) {
	c := len(a)
	i.affineSiLUKernel(&normArgs{y: &y[0], x: &x[0], a: &a[0], b: &b[0], rows: len(x) / c, c: c})
}

func (i isa) normSums(sdu, sdux, du, x, mean []float32) {
	c := len(mean)
	i.normSumsKernel(&normArgs{sum: &sdu[0], sq: &sdux[0], dy: &du[0], x: &x[0], mean: &mean[0], rows: len(x) / c, c: c})
}

func (i isa) siluNormSums(sdu, sdux, du, dy, x, a, b, mean []float32) {
	c := len(mean)
	i.siluNormSumsKernel(&normArgs{
		sum: &sdu[0], sq: &sdux[0], y: &du[0], dy: &dy[0], x: &x[0], a: &a[0], b: &b[0], mean: &mean[0], rows: len(x) / c, c: c,
	})
}

func (i isa) affine2(dx, du, x, a, k1, k0, from []float32) {
	c := len(a)
	n := normArgs{y: &dx[0], dy: &du[0], x: &x[0], a: &a[0], k: &k1[0], b: &k0[0], rows: len(x) / c, c: c}
	if from != nil {
		n.from = &from[0]
	}
	i.affine2Kernel(&n)
}
