package kernel

// packing is what packs weights for tiles, and its scratch.
type packing struct {
	kernels *amxKernels
	args    frameArgs
	at      []int32               // where rows of weights begin
	rest    []float32             // what rounding leaves of a tap, for forms of two parts
	sums    [2 * tileRows]float32 // of columns, which nobody asks for
}

// newPacking allocates what p's forms need.
func (g *gemm) newPacking(p *Packed) *packing {
	k := &packing{kernels: g.amx}
	at := g.width
	for _, forms := range [][]*form{p.forward, p.backward} {
		for _, f := range forms {
			at = max(at, 2*f.cells)
			if f.parts > 1 {
				k.rest = make([]float32, f.in*f.out)
			}
		}
	}
	k.at = make([]int32, at)
	return k
}

// rows is where so many rows of n values begin, and -1 for the others up to all.
func (k *packing) rows(count, n, all int) []int32 {
	at := k.at[:all]
	for i := range at {
		at[i] = -1
		if i < count {
			at[i] = int32(i * n)
		}
	}
	return at
}

// part is the weights w or, for the second part, what rounding leaves of them.
func (k *packing) part(i int, w []float32) []float32 {
	if i == 0 {
		return w
	}
	inBlocks(len(w), func(i, j int) {
		k.args = frameArgs{to: &k.rest[i], x: &w[i], c: j - i}
		k.kernels.rest(&k.args)
	})
	return k.rest[:len(w)]
}

// copyTap fills one tap of f from w, [in][out].
func (k *packing) copyTap(f *form, ty, tx int, w []float32) {
	at := k.rows(f.in, f.out, 2*f.cells)
	for i := range f.parts {
		x := k.part(i, w)
		for j := 0; j < f.out; j += f.width {
			k.args = frameArgs{to: &f.tap(i, j, ty, tx)[0], x: &x[j], at: at, c: min(f.width, f.out-j), sums: &k.sums[0]}
			k.kernels.panel(&k.args)
		}
	}
}

// transposeTap fills one tap of f from w, [out][in].
func (k *packing) transposeTap(f *form, ty, tx int, w []float32) {
	for i := range f.parts {
		x := k.part(i, w)
		for j := 0; j < f.out; j += f.width {
			at := k.rows(min(f.width, f.out-j), f.in, f.width)
			k.args = frameArgs{to: &f.tap(i, j, ty, tx)[0], x: &x[j*f.in], at: at, c: f.in, cells: f.cells}
			k.kernels.turn(&k.args)
		}
	}
}
