package kernel

func addRowPortable(y, x, e []float32) {
	for i := 0; i < len(x); i += len(e) {
		addPortable(y[i:i+len(e)], x[i:i+len(e)], e)
	}
}

func sumRowsPortable(de, dy []float32) {
	clear(de)
	for i := 0; i < len(dy); i += len(de) {
		addPortable(de, de, dy[i:i+len(de)])
	}
}

func copyRowsPortable(dst []float32, ldd int, src []float32, lds, rows, cols int, scale float32) {
	for i := range rows {
		scalePortable(dst[i*ldd:i*ldd+cols], scale, src[i*lds:i*lds+cols])
	}
}

func transposePortable(dst []float32, ldd int, src []float32, lds, rows, cols int, scale float32) {
	for i := range rows {
		for j := range cols {
			dst[j*ldd+i] = scale * src[i*lds+j]
		}
	}
}

func turnPortable(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	for i := range rows {
		for j := range cols {
			dst[j*ldd+i] = src[i*lds+j]
		}
	}
}
