package kernel

type rowsArgs struct {
	y, x, e *float32
	rows, c int
}

func (i isa) addRow(y, x, e []float32) {
	i.addRowKernel(&rowsArgs{&y[0], &x[0], &e[0], len(x) / len(e), len(e)})
}

func (i isa) sumRows(de, dy []float32) {
	i.sumRowsKernel(&rowsArgs{y: &de[0], x: &dy[0], rows: len(dy) / len(de), c: len(de)})
}

type matrixArgs struct {
	dst, src             *float32
	ldd, lds, rows, cols int
	scale                float32
}

func (i isa) copyRows(dst []float32, ldd int, src []float32, lds, rows, cols int, scale float32) {
	_, _ = dst[(rows-1)*ldd+cols-1], src[(rows-1)*lds+cols-1]
	i.copyRowsKernel(&matrixArgs{&dst[0], &src[0], ldd, lds, rows, cols, scale})
}

// transpose leaves the columns and rows beyond whole tiles to the portable kernel.
func (i isa) transpose(dst []float32, ldd int, src []float32, lds, rows, cols int, scale float32) {
	_, _ = dst[(cols-1)*ldd+rows-1], src[(rows-1)*lds+cols-1]
	tileRows, tileCols := rows&^7, cols&^3
	i.transposeKernel(&matrixArgs{&dst[0], &src[0], ldd, lds, tileRows, tileCols, scale})
	if tileCols < cols {
		transposePortable(dst[tileCols*ldd:], ldd, src[tileCols:], lds, tileRows, cols-tileCols, scale)
	}
	if tileRows < rows {
		transposePortable(dst[tileRows:], ldd, src[tileRows*lds:], lds, rows-tileRows, cols, scale)
	}
}

// turn leaves them there, too.
func (i isa) turn(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	_, _ = dst[(cols-1)*ldd+rows-1], src[(rows-1)*lds+cols-1]
	tileRows, tileCols := rows&^7, cols&^3
	if tileRows > 0 && tileCols > 0 {
		i.turnKernel(&matrixArgs{dst: &dst[0], src: &src[0], ldd: ldd, lds: lds, rows: tileRows, cols: tileCols})
	}
	if tileCols < cols {
		turnPortable(dst[tileCols*ldd:], ldd, src[tileCols:], lds, tileRows, cols-tileCols)
	}
	if tileRows < rows {
		turnPortable(dst[tileRows:], ldd, src[tileRows*lds:], lds, rows-tileRows, cols)
	}
}
