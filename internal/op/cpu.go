package op

import (
	"math"

	"gorgonia.org/tensor"

	"diffuse/internal/kernel"
)

// CPU is the backend that runs a kernel set on the machine's cores.
func CPU(set *kernel.Set) Backend { return cpuBackend{set} }

type cpuBackend struct{ set *kernel.Set }

func (c cpuBackend) NewDevice() Device {
	return &cpu{set: c.set, ws: kernel.NewWorkspace()}
}

func (c cpuBackend) NewFilter(g kernel.Conv, grad bool) Filter { return c.set.NewPacked(g, grad) }
func (c cpuBackend) Pack(f Filter, w []float32)                { c.set.Pack(f.(*kernel.Packed), w) }

// cpu is one worker's device: a kernel set and its scratch memory.
type cpu struct {
	set *kernel.Set
	ws  *kernel.Workspace
}

func (d *cpu) New(shape ...int) *tensor.Dense {
	return dense(make([]float32, tensor.Shape(shape).TotalSize()), shape)
}

func (d *cpu) View(t *tensor.Dense, shape ...int) *tensor.Dense { return dense(t.Float32s(), shape) }

func (d *cpu) Images(t *tensor.Dense, lo, n int) *tensor.Dense {
	shape := t.Shape().Clone()
	size := shape.TotalSize() / shape[0]
	shape[0] = n
	return dense(t.Float32s()[lo*size:(lo+n)*size], shape)
}

func dense(data []float32, shape []int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
}

// floats is a tensor's memory; nil for none.
func floats(t *tensor.Dense) []float32 {
	if t == nil {
		return nil
	}
	return t.Float32s()
}

func (d *cpu) Conv(y, x *tensor.Dense, f Filter, bias, rows, from *tensor.Dense, c kernel.Conv) {
	start := kernel.Start{Bias: floats(bias)}
	if rows != nil {
		start.Rows = front(rows, c.N)
	}
	if from != nil {
		start.From = output(from, c)
	}
	d.set.ConvForward(d.ws, output(y, c), input(x, c), f.(*kernel.Packed), start, c)
}

func (d *cpu) ConvBackwardData(dx, dy *tensor.Dense, f Filter, from *tensor.Dense, c kernel.Conv) {
	var plus []float32
	if from != nil {
		plus = input(from, c)
	}
	d.set.ConvBackwardData(d.ws, input(dx, c), output(dy, c), f.(*kernel.Packed), plus, c)
}

func (d *cpu) ConvBackwardWeights(dw, db, x, dy *tensor.Dense, c kernel.Conv) {
	d.set.ConvBackwardWeights(d.ws, dw.Float32s(), floats(db), input(x, c), output(dy, c), c)
}

func (d *cpu) GroupNorm(y, mean, rstd, x, gamma, beta *tensor.Dense, n int, g Norm) {
	hw, c := pixels(x), channels(x)
	d.set.GroupNorm(d.ws, y.Float32s(), mean.Float32s(), rstd.Float32s(), x.Float32s(),
		gamma.Float32s(), beta.Float32s(), n, hw, c, g.Groups, g.Eps, g.SiLU)
}

func (d *cpu) GroupNormBackward(dx, dgamma, dbeta, dy, x, mean, rstd, gamma, beta, from *tensor.Dense, n int, g Norm) {
	hw, c := pixels(x), channels(x)
	d.set.GroupNormBackward(d.ws, dx.Float32s(), dgamma.Float32s(), dbeta.Float32s(), dy.Float32s(), x.Float32s(),
		mean.Float32s(), rstd.Float32s(), gamma.Float32s(), beta.Float32s(), floats(from), n, hw, c, g.Groups, g.SiLU)
}

func (d *cpu) BatchNorm(y, mean, rstd, toMean, toSquare, x, gamma, beta *tensor.Dense, n int, norm Batch) {
	hw, c := pixels(x), channels(x)
	m, r := mean.Float32s()[:c], rstd.Float32s()[:c]
	d.set.BatchNorm(d.ws, front(y, n), m, r, front(x, n), gamma.Float32s(), beta.Float32s(), n*hw, c, norm.Eps, norm.Leaky)
	means, squares := toMean.Float32s(), toSquare.Float32s()
	for j := range c {
		mean, rstd := float64(m[j]), float64(r[j])
		means[j] += float32(float64(n) * mean)
		squares[j] += float32(float64(n) * (1/(rstd*rstd) - float64(norm.Eps) + mean*mean))
	}
}

func (d *cpu) BatchNormBackward(dx, dgamma, dbeta, dy, x, y, mean, rstd, gamma, from *tensor.Dense, n int, norm Batch) {
	hw, c := pixels(x), channels(x)
	var plus []float32
	if from != nil {
		plus = front(from, n)
	}
	d.set.BatchNormBackward(d.ws, front(dx, n), dgamma.Float32s(), dbeta.Float32s(), front(dy, n), front(x, n), front(y, n),
		mean.Float32s()[:c], rstd.Float32s()[:c], gamma.Float32s(), plus, n*hw, c, norm.Leaky)
}

func (d *cpu) Attention(o, lse, q, k, v *tensor.Dense, n, heads int) {
	d.set.Attention(d.ws, o.Float32s(), lse.Float32s(), q.Float32s(), k.Float32s(), v.Float32s(),
		n, pixels(q), heads, channels(q)/heads)
}

func (d *cpu) AttentionBackward(dq, dk, dv, do, o, lse, q, k, v *tensor.Dense, n, heads int) {
	d.set.AttentionBackward(d.ws, dq.Float32s(), dk.Float32s(), dv.Float32s(), do.Float32s(), o.Float32s(), lse.Float32s(),
		q.Float32s(), k.Float32s(), v.Float32s(), n, pixels(q), heads, channels(q)/heads)
}

func (d *cpu) MaxPool(y, x *tensor.Dense, p kernel.Pool) {
	d.set.MaxPool(d.ws, front(y, p.N), front(x, p.N), p)
}

func (d *cpu) AvgPool(y, x *tensor.Dense, p kernel.Pool) {
	d.set.AvgPool(d.ws, front(y, p.N), front(x, p.N), p)
}

func (d *cpu) AvgPoolBackward(dx, dy *tensor.Dense, p kernel.Pool) {
	d.set.AvgPoolBackward(d.ws, front(dx, p.N), front(dy, p.N), p)
}

func (d *cpu) GlobalAvgPool(y, x *tensor.Dense, n int) {
	d.set.GlobalAvgPool(front(y, n), front(x, n), n, pixels(x), channels(x))
}

func (d *cpu) GlobalAvgPoolBackward(dx, dy *tensor.Dense, n int) {
	d.set.GlobalAvgPoolBackward(front(dx, n), front(dy, n), n, pixels(dx), channels(dx))
}

func (d *cpu) SiLU(y, x *tensor.Dense, n int) { d.set.SiLU(front(y, n), front(x, n)) }

func (d *cpu) SiLUBackward(dx, dy, x *tensor.Dense, n int) {
	d.set.SiLUBackward(front(dx, n), front(dy, n), front(x, n))
}

func (d *cpu) Leaky(y, x *tensor.Dense, n int, l kernel.Leaky) {
	d.set.Leaky(front(y, n), front(x, n), l)
}

func (d *cpu) LeakyBackward(dx, dy, y *tensor.Dense, n int, l kernel.Leaky) {
	d.set.LeakyBackward(front(dx, n), front(dy, n), front(y, n), l)
}

func (d *cpu) Add(y, a, b *tensor.Dense, n int) { d.set.Add(front(y, n), front(a, n), front(b, n)) }

func (d *cpu) AddChannels(y, x, e *tensor.Dense, n int) {
	d.set.AddChannels(y.Float32s(), x.Float32s(), e.Float32s(), n, pixels(x), channels(x))
}

func (d *cpu) SumPixels(de, dy *tensor.Dense, n int) {
	d.set.SumPixels(de.Float32s(), dy.Float32s(), n, pixels(dy), channels(dy))
}

func (d *cpu) Concat(y *tensor.Dense, xs []*tensor.Dense, n int) {
	at := 0
	for _, x := range xs {
		d.set.PutChannels(front(y, n), front(x, n), n*pixels(y), kernel.Slot{At: at, Of: channels(y)})
		at += channels(x)
	}
}

func (d *cpu) Split(dxs []*tensor.Dense, dy *tensor.Dense, n int) {
	at := 0
	for _, dx := range dxs {
		d.set.TakeChannels(front(dx, n), front(dy, n), n*pixels(dy), kernel.Slot{At: at, Of: channels(dy)})
		at += channels(dx)
	}
}

func (d *cpu) Resize(y, x *tensor.Dense, r kernel.Resize) {
	d.set.Resize(d.ws, front(y, r.N), front(x, r.N), r)
}

// Embed writes the sinusoidal embedding of timesteps: cosines first, then
// sines, of t·10000^(−i/half) (diffusers' get_timestep_embedding with
// flip_sin_to_cos and no shift).
func (d *cpu) Embed(y, t *tensor.Dense, n int) {
	dim, half := channels(y), channels(y)/2
	ys, ts := y.Float32s(), t.Float32s()
	for i := range n {
		row := ys[i*dim : (i+1)*dim]
		for j := range half {
			arg := float64(ts[i]) * math.Exp(-math.Log(10000)*float64(j)/float64(half))
			row[j], row[half+j] = float32(math.Cos(arg)), float32(math.Sin(arg))
		}
	}
}

func (d *cpu) Lookup(y, table, index *tensor.Dense, n int) {
	dim := channels(y)
	for i, row := range front(index, n) {
		copy(y.Float32s()[i*dim:(i+1)*dim], table.Float32s()[int(row)*dim:])
	}
}

func (d *cpu) LookupBackward(dtable, dy, index *tensor.Dense, n int) {
	dim := channels(dy)
	for i, row := range front(index, n) {
		d.set.AddTo(dtable.Float32s()[int(row)*dim:(int(row)+1)*dim], dy.Float32s()[i*dim:(i+1)*dim])
	}
}

func (d *cpu) SquaredError(dy, y, target *tensor.Dense, n int, scale float32, weights []float32, loss []float64) {
	d.set.SquaredError(dy.Float32s(), y.Float32s(), target.Float32s(), n, pixels(y)*channels(y), scale, weights, loss)
}

func (d *cpu) CrossEntropy(dy, y, labels *tensor.Dense, n int, scale float32, loss []float64) {
	kernel.CrossEntropy(front(dy, n), front(y, n), front(labels, n), n, scale, loss)
}

func (d *cpu) AllFinite(x []float32) bool { return d.set.AllFinite(x) }

// input and output are the parts of a convolution's tensors that c covers: the
// active images.
func input(x *tensor.Dense, c kernel.Conv) []float32 { return x.Float32s()[:c.N*c.H*c.W*c.Cin] }

func output(y *tensor.Dense, c kernel.Conv) []float32 {
	h, w := c.Out()
	return y.Float32s()[:c.N*h*w*max(c.Cout, c.Into.Of)]
}

// front is the memory of the first n images.
func front(t *tensor.Dense, n int) []float32 {
	x := t.Float32s()
	return x[:len(x)/t.Shape()[0]*n]
}

func channels(t *tensor.Dense) int { s := t.Shape(); return s[len(s)-1] }

// pixels is how many channel vectors one image has.
func pixels(t *tensor.Dense) int {
	s := t.Shape()
	return s.TotalSize() / (s[0] * s[len(s)-1])
}
