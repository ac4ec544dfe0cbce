package linalg

// operand is a factor of a product as it lies in memory. Element (i, k), of row i
// of A or column i of B and of term k, is at[k·ld+i], or at[i·ld+k] if turned.
type operand struct {
	at     []float64
	ld     int
	turned bool
}

// product is C += alpha·A·B, c[i·ldc+j] += alpha·Σ_k A[i,k]·B[k,j], for i < m,
// j < n, k < terms. Terms are summed in blocks of blockTerms, in order.
type product struct {
	c           []float64
	ldc         int
	alpha       float64
	a, b        operand
	m, n, terms int
	upper       bool // only what is on and above the diagonal counts; not all below is left alone

	// Row i of A, or column j of B, is zero in all terms before i, or j.
	aUpper, bUpper bool
}

const (
	blockTerms = 256 // a tile's operands stay in the two nearest caches
	blockRows  = 128 // of a task
	blockCols  = 240 // of a task: whole tiles, whatever their width (4, 12, 24)
)

// add computes a product.
func (t *team) add(p product) {
	rows, cols := t.kernels.Tile64()
	depth := min(p.terms, blockTerms)
	t.a = atLeast(t.a, roundUp(p.m, rows)*depth)
	t.b = atLeast(t.b, roundUp(p.n, cols)*depth)
	for first := 0; first < p.terms; first += blockTerms {
		q := p
		q.terms = min(blockTerms, p.terms-first)
		if p.aUpper {
			q.m = min(p.m, first+q.terms)
		}
		if p.bUpper {
			q.n = min(p.n, first+q.terms)
		}
		t.pack(q, first)
		t.multiply(q)
	}
}

// pack copies a block of terms into panels of a tile's rows and columns.
func (t *team) pack(p product, first int) {
	rows, cols := t.kernels.Tile64()
	const panels = 8 // of a task
	a, b := (p.m+rows-1)/rows, (p.n+cols-1)/cols
	aTasks, bTasks := (a+panels-1)/panels, (b+panels-1)/panels
	t.each(aTasks+bTasks, func(task int) {
		if task < aTasks {
			t.packPanels(t.a, rows, p.a, task*panels, min((task+1)*panels, a), p.m, first, p.terms)
			return
		}
		task -= aTasks
		t.packPanels(t.b, cols, p.b, task*panels, min((task+1)*panels, b), p.n, first, p.terms)
	})
}

// packPanels writes panels p0 … p1-1 of an operand: elements (i, first) …
// (i, first+terms-1), width values of i a panel, up to end and then zeros.
func (t *team) packPanels(to []float64, width int, o operand, p0, p1, end, first, terms int) {
	if p1*width > end {
		clear(to[(p1-1)*width*terms : p1*width*terms])
	}
	if o.turned {
		for p := p0; p < p1; p++ {
			at := p * width
			t.kernels.Turn64(to[at*terms:], width, o.at[at*o.ld+first:], o.ld, min(width, end-at), terms)
		}
		return
	}
	for k := range terms { // a row at a time: its columns share cache lines and pages
		row := o.at[(first+k)*o.ld:]
		for p := p0; p < p1; p++ {
			at := p * width
			copy(to[at*terms+k*width:], row[at:min(at+width, end)])
		}
	}
}

// multiply adds the packed block's part to C.
func (t *team) multiply(p product) {
	across := (p.n + blockCols - 1) / blockCols
	t.each((p.m+blockRows-1)/blockRows*across, func(task int) {
		i, j := task/across*blockRows, task%across*blockCols
		t.multiplyBlock(p, i, min(i+blockRows, p.m), j, min(j+blockCols, p.n))
	})
}

// multiplyBlock adds to rows i0 … i1-1 and columns j0 … j1-1.
func (t *team) multiplyBlock(p product, i0, i1, j0, j1 int) {
	rows, cols := t.kernels.Tile64()
	for j := j0; j < j1; j += cols {
		b := t.b[j*p.terms:][:cols*p.terms]
		end := i1
		if p.upper {
			end = min(i1, roundUp(min(j+cols, p.n), rows))
		}
		if end <= i0 {
			continue
		}
		whole := i0 // up to here tiles lie within C
		if j+cols <= p.n {
			whole = i0 + (end-i0)/rows*rows
			t.kernels.AddTiles64(p.c[i0*p.ldc+j:], p.ldc, p.alpha, t.a[i0*p.terms:whole*p.terms], b, p.terms)
		}
		if whole < end {
			t.multiplyEdge(p, whole, end, j, b)
		}
	}
}

// multiplyEdge adds tiles that reach over the edge of C by way of whole ones.
func (t *team) multiplyEdge(p product, i0, i1, j int, b []float64) {
	rows, cols := t.kernels.Tile64()
	height := roundUp(i1-i0, rows)
	tiles := make([]float64, height*cols)
	t.kernels.AddTiles64(tiles, cols, p.alpha, t.a[i0*p.terms:][:height*p.terms], b, p.terms)
	for i := i0; i < i1; i++ {
		c := p.c[i*p.ldc+j:][:min(cols, p.n-j)]
		for k := range c {
			c[k] += tiles[(i-i0)*cols+k]
		}
	}
}

// atLeast is x, or a new slice if x is too short.
func atLeast(x []float64, n int) []float64 {
	if len(x) < n {
		return make([]float64, n)
	}
	return x
}
