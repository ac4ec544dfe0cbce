package kernel

type normArgs struct {
	sum, sq, y, x, dy, a, b, k, mean *float32
	rows, c                          int
}

func avx2Moments(sum, sq, x []float32) {
	c := len(sum)
	momentsAVX2(&normArgs{sum: &sum[0], sq: &sq[0], x: &x[0], rows: len(x) / c, c: c})
}

func avx2Affine(y, x, a, b []float32) {
	c := len(a)
	affineAVX2(&normArgs{y: &y[0], x: &x[0], a: &a[0], b: &b[0], rows: len(x) / c, c: c})
}

func avx2AffineSiLU(y, x, a, b []float32) {
	c := len(a)
	affineSiLUAVX2(&normArgs{y: &y[0], x: &x[0], a: &a[0], b: &b[0], rows: len(x) / c, c: c})
}

func avx2NormSums(sdu, sdux, du, x, mean []float32) {
	c := len(mean)
	normSumsAVX2(&normArgs{sum: &sdu[0], sq: &sdux[0], dy: &du[0], x: &x[0], mean: &mean[0], rows: len(x) / c, c: c})
}

func avx2SiLUNormSums(sdu, sdux, du, dy, x, a, b, mean []float32) {
	c := len(mean)
	siluNormSumsAVX2(&normArgs{
		sum: &sdu[0], sq: &sdux[0], y: &du[0], dy: &dy[0], x: &x[0], a: &a[0], b: &b[0], mean: &mean[0], rows: len(x) / c, c: c,
	})
}

func avx2Affine2(dx, du, x, a, k1, k0 []float32) {
	c := len(a)
	affine2AVX2(&normArgs{y: &dx[0], dy: &du[0], x: &x[0], a: &a[0], k: &k1[0], b: &k0[0], rows: len(x) / c, c: c})
}
