package kernel

type unaryArgs struct {
	y, x *float32
	n    int
}

func (i isa) silu(y, x []float32) { i.siluKernel(&unaryArgs{&y[0], &x[0], len(x)}) }

type binaryArgs struct {
	z, x, y *float32
	n       int
}

func (i isa) siluBackward(dx, dy, x []float32) {
	i.siluBackwardKernel(&binaryArgs{&dx[0], &dy[0], &x[0], len(x)})
}

type leakyArgs struct {
	z, x, y      *float32
	n            int
	slope, shift float32
}

func (i isa) leaky(y, x []float32, l Leaky) {
	i.leakyKernel(&leakyArgs{z: &y[0], x: &x[0], n: len(x), slope: l.Slope, shift: l.Shift})
}

func (i isa) leakyBackward(dx, dy, y []float32, l Leaky) {
	i.leakyBackwardKernel(&leakyArgs{z: &dx[0], x: &dy[0], y: &y[0], n: len(y), slope: l.Slope, shift: l.Shift})
}

func (i isa) add(y, a, b []float32) { i.addKernel(&binaryArgs{&y[0], &a[0], &b[0], len(y)}) }

func (i isa) maximum(y, a, b []float32) { i.maximumKernel(&binaryArgs{&y[0], &a[0], &b[0], len(y)}) }

type combineArgs struct {
	dst, x, y, z *float32
	n            int
	a, b, c      float32
}

func (i isa) scale(dst []float32, a float32, x []float32) {
	i.copyRows(dst, 0, x, 0, 1, len(dst), a)
}

func (i isa) combine(dst []float32, a float32, x []float32, b float32, y []float32) {
	i.combineKernel(&combineArgs{dst: &dst[0], x: &x[0], y: &y[0], n: len(dst), a: a, b: b})
}

func (i isa) combine3(dst []float32, a float32, x []float32, b float32, y []float32, c float32, z []float32) {
	i.combine3Kernel(&combineArgs{dst: &dst[0], x: &x[0], y: &y[0], z: &z[0], n: len(dst), a: a, b: b, c: c})
}

// maxLanes is the number of floats in the widest vector. Kernels with fewer
// leave the rest of an array of sums at zero.
const maxLanes = 16

type sumArgs struct {
	lanes    *[maxLanes]float64
	dy, x, y *float32
	n        int
	scale2   float32
}

func sumLanes(lanes *[maxLanes]float64) float64 {
	var sum float64
	for _, v := range lanes {
		sum += v
	}
	return sum
}

func (i isa) sumSquares(x []float32) float64 {
	var lanes [maxLanes]float64
	i.sumSquaresKernel(&sumArgs{lanes: &lanes, x: &x[0], n: len(x)})
	return sumLanes(&lanes)
}

func (i isa) squaredError(dy, y, target []float32, scale2 float32) float64 {
	var lanes [maxLanes]float64
	a := sumArgs{lanes: &lanes, x: &y[0], y: &target[0], n: len(y), scale2: scale2}
	if dy != nil {
		a.dy = &dy[0]
	}
	i.squaredErrorKernel(&a)
	return sumLanes(&lanes)
}

type finiteArgs struct {
	lanes *[maxLanes]float32
	x     *float32
	n     int
}

func (i isa) allFinite(x []float32) bool {
	var lanes [maxLanes]float32
	i.allFiniteKernel(&finiteArgs{&lanes, &x[0], len(x)})
	return lanes == [maxLanes]float32{}
}

type adamArgs struct {
	p, m, v, ema, g *float32
	n               int
	adamCoefficients
}

func (i isa) adam(a AdamArgs, c adamCoefficients) {
	pass := adamArgs{p: &a.P[0], m: &a.M[0], v: &a.V[0], g: &a.G[0], n: len(a.P), adamCoefficients: c}
	if a.EMA != nil {
		pass.ema = &a.EMA[0]
	}
	i.adamKernel(&pass)
}
