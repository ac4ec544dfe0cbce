package kernel

type rowsArgs struct {
	y, x, e *float32
	rows, c int
}

func avx2AddRow(y, x, e []float32) {
	addRowAVX2(&rowsArgs{&y[0], &x[0], &e[0], len(x) / len(e), len(e)})
}

func avx2SumRows(de, dy []float32) {
	sumRowsAVX2(&rowsArgs{y: &de[0], x: &dy[0], rows: len(dy) / len(de), c: len(de)})
}

type matrixArgs struct {
	dst, src             *float32
	ldd, lds, rows, cols int
	scale                float32
}

func avx2CopyRows(dst []float32, ldd int, src []float32, lds, rows, cols int, scale float32) {
	_, _ = dst[(rows-1)*ldd+cols-1], src[(rows-1)*lds+cols-1]
	copyRowsAVX2(&matrixArgs{&dst[0], &src[0], ldd, lds, rows, cols, scale})
}

// avx2Transpose leaves the columns and rows beyond whole tiles to the portable kernel.
func avx2Transpose(dst []float32, ldd int, src []float32, lds, rows, cols int, scale float32) {
	_, _ = dst[(cols-1)*ldd+rows-1], src[(rows-1)*lds+cols-1]
	tileRows, tileCols := rows&^7, cols&^3
	transposeAVX2(&matrixArgs{&dst[0], &src[0], ldd, lds, tileRows, tileCols, scale})
	if tileCols < cols {
		transposePortable(dst[tileCols*ldd:], ldd, src[tileCols:], lds, tileRows, cols-tileCols, scale)
	}
	if tileRows < rows {
		transposePortable(dst[tileRows:], ldd, src[tileRows*lds:], lds, rows-tileRows, cols, scale)
	}
}
