package kernel

// linear is the kernels of csrc/linear.c.
func (i isa) linear() *linear {
	d := &linear{
		rows: 4, cols: 3 * i.lanes() / 2, // ROWS and COLS there
		tiles: i.tiles64, symmetric: i.symmetric64, dots: i.dots64, combine: i.combine64, turn: i.turn64,
	}
	if i == avx512 {
		d.rows = 8
	}
	return d
}

type tiles64Args struct {
	c, a, b           *float64
	tiles, terms, ldc int
	alpha             float64
}

func (i isa) tiles64(c []float64, ldc int, alpha float64, a, b []float64, tiles, terms int) {
	i.tiles64Kernel(&tiles64Args{c: &c[0], a: &a[0], b: &b[0], tiles: tiles, terms: terms, ldc: ldc, alpha: alpha})
}

type symmetric64Args struct {
	y, a, x         *float64
	rows, cols, lda int
}

func (i isa) symmetric64(y, a []float64, lda int, x []float64, rows, cols int) {
	i.symmetric64Kernel(&symmetric64Args{y: &y[0], a: &a[0], x: &x[0], rows: rows, cols: cols, lda: lda})
}

type rows64Args struct {
	y, m, x        *float64
	rows, cols, ld int
}

func (i isa) dots64(y, m []float64, ld int, x []float64) {
	i.dots64Kernel(&rows64Args{y: &y[0], m: &m[0], x: &x[0], rows: len(y), cols: len(x), ld: ld})
}

func (i isa) combine64(y, m []float64, ld int, x []float64) {
	i.combine64Kernel(&rows64Args{y: &y[0], m: &m[0], x: &x[0], rows: len(x), cols: len(y), ld: ld})
}

type turn64Args struct {
	dst, src             *float64
	rows, cols, ldd, lds int
}

func (i isa) turn64(dst []float64, ldd int, src []float64, lds, rows, cols int) {
	r, c := rows&^3, cols&^3 // whole squares
	if r > 0 && c > 0 {
		i.turn64Kernel(&turn64Args{dst: &dst[0], src: &src[0], rows: r, cols: c, ldd: ldd, lds: lds})
	}
	if c < cols {
		turn64Portable(dst[c*ldd:], ldd, src[c:], lds, r, cols-c)
	}
	if r < rows {
		turn64Portable(dst[r:], ldd, src[r*lds:], lds, rows-r, cols)
	}
}
