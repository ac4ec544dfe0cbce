package kernel

type unaryArgs struct {
	y, x *float32
	n    int
}

func avx2SiLU(y, x []float32) { siluAVX2(&unaryArgs{&y[0], &x[0], len(x)}) }

type binaryArgs struct {
	z, x, y *float32
	n       int
}

func avx2SiLUBackward(dx, dy, x []float32) {
	siluBackwardAVX2(&binaryArgs{&dx[0], &dy[0], &x[0], len(x)})
}

func avx2Add(y, a, b []float32) { addAVX2(&binaryArgs{&y[0], &a[0], &b[0], len(y)}) }

type combineArgs struct {
	dst, x, y, z *float32
	n            int
	a, b, c      float32
}

func avx2Scale(dst []float32, a float32, x []float32) {
	avx2CopyRows(dst, 0, x, 0, 1, len(dst), a)
}

func avx2Combine(dst []float32, a float32, x []float32, b float32, y []float32) {
	combineAVX2(&combineArgs{dst: &dst[0], x: &x[0], y: &y[0], n: len(dst), a: a, b: b})
}

func avx2Combine3(dst []float32, a float32, x []float32, b float32, y []float32, c float32, z []float32) {
	combine3AVX2(&combineArgs{dst: &dst[0], x: &x[0], y: &y[0], z: &z[0], n: len(dst), a: a, b: b, c: c})
}

type sumArgs struct {
	lanes    *[8]float64
	dy, x, y *float32
	n        int
	scale2   float32
}

func sumLanes(lanes *[8]float64) float64 {
	var sum float64
	for _, v := range lanes {
		sum += v
	}
	return sum
}

func avx2SumSquares(x []float32) float64 {
	var lanes [8]float64
	sumSquaresAVX2(&sumArgs{lanes: &lanes, x: &x[0], n: len(x)})
	return sumLanes(&lanes)
}

func avx2SquaredError(dy, y, target []float32, scale2 float32) float64 {
	var lanes [8]float64
	a := sumArgs{lanes: &lanes, x: &y[0], y: &target[0], n: len(y), scale2: scale2}
	if dy != nil {
		a.dy = &dy[0]
	}
	squaredErrorAVX2(&a)
	return sumLanes(&lanes)
}

type finiteArgs struct {
	lanes *[8]float32
	x     *float32
	n     int
}

func avx2AllFinite(x []float32) bool {
	var lanes [8]float32
	allFiniteAVX2(&finiteArgs{&lanes, &x[0], len(x)})
	return lanes == [8]float32{}
}

type adamArgs struct {
	p, m, v, ema, g *float32
	n               int
	adamCoefficients
}

func avx2Adam(a AdamArgs, c adamCoefficients) {
	pass := adamArgs{p: &a.P[0], m: &a.M[0], v: &a.V[0], g: &a.G[0], n: len(a.P), adamCoefficients: c}
	if a.EMA != nil {
		pass.ema = &a.EMA[0]
	}
	adamAVX2(&pass)
}
