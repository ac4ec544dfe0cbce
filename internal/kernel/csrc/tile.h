// Tiles of sums of products: ROWS x 2 vectors of them kept in registers. Who
// includes this defines ROWS and what a cell is: cload and csplat read a vector
// of cells, cadd(sum, x, y) adds the products of two. See ../gemm.go for what
// the tiles compute.
#ifndef TILE_H
#define TILE_H

#define PANEL (2 * VW) // columns of a tile

// unroll spells out the loop below it.
#define unroll _Pragma("GCC unroll 16")

struct multiplyArgs {
	floats x, b, bias, from, y;
	ints xat, yat;
	int64_t segments, length, stride, cols, row;
	int64_t relu;
};

// product computes rows [row, row+n) of multiply's y.
INLINE void product(struct multiplyArgs *a, const int n) {
	forget();
	vf sum[ROWS][2];
	const float *x[ROWS];
	const int32_t *xat = a->xat.at + a->row, *yat = a->yat.at + a->row;
	vf start0 = vzero(), start1 = vzero();
	if (a->bias.len) {
		start0 = vload(a->bias.at);
		start1 = vload(a->bias.at + VW);
	}
	if (!a->from.len) {
		unroll for (int r = 0; r < n; r++) {
			sum[r][0] = start0;
			sum[r][1] = start1;
		}
	} else if (a->cols == PANEL) {
		unroll for (int r = 0; r < n; r++) {
			const float *from = a->from.at + yat[r];
			sum[r][0] = vadd(start0, vload(from));
			sum[r][1] = vadd(start1, vload(from + VW));
		}
	} else {
		vm m0 = vmask(a->cols), m1 = vmask(a->cols - VW);
		unroll for (int r = 0; r < n; r++) {
			const float *from = a->from.at + yat[r];
			sum[r][0] = vadd(start0, vloadm(from, m0));
			sum[r][1] = vadd(start1, vloadm(from + VW, m1));
		}
	}
	unroll for (int r = 0; r < n; r++) {
		x[r] = a->x.at + xat[r];
		hide(x[r]);
	}
	const float *b = a->b.at;
	int64_t k = 0;
	for (int64_t s = a->segments; s > 0; s--) {
		for (int64_t end = k + a->length; k < end; k++) {
			cells b0 = cload(b), b1 = cload(b + VW);
			b += PANEL;
			hide(b);
			unroll for (int r = 0; r < n; r++) {
				cells xk = csplat(x[r] + k);
				sum[r][0] = cadd(sum[r][0], xk, b0);
				sum[r][1] = cadd(sum[r][1], xk, b1);
			}
		}
		k += a->stride - a->length;
		forget();
	}
	forget();
	yat = a->yat.at + a->row;
	if (a->relu)
		unroll for (int r = 0; r < n; r++) {
			sum[r][0] = vmax(vzero(), sum[r][0]);
			sum[r][1] = vmax(vzero(), sum[r][1]);
		}
	if (a->cols == PANEL) {
		unroll for (int r = 0; r < n; r++) {
			float *y = a->y.at + yat[r];
			vstore(y, sum[r][0]);
			vstore(y + VW, sum[r][1]);
		}
	} else {
		vm m0 = vmask(a->cols), m1 = vmask(a->cols - VW);
		unroll for (int r = 0; r < n; r++) {
			float *y = a->y.at + yat[r];
			vstorem(y, m0, sum[r][0]);
			vstorem(y + VW, m1, sum[r][1]);
		}
	}
}

INLINE void multiplyTiles(struct multiplyArgs *a) {
	for (a->row = 0; a->row + ROWS <= a->xat.len; a->row += ROWS)
		product(a, ROWS);
	switch (a->xat.len - a->row) {
#if ROWS > 6
	case 7: product(a, 7); break;
	case 6: product(a, 6); break;
#endif
#if ROWS > 4
	case 5: product(a, 5); break;
	case 4: product(a, 4); break;
#endif
	case 3: product(a, 3); break;
	case 2: product(a, 2); break;
	case 1: product(a, 1); break;
	}
}

struct correlateArgs {
	floats x, dy, dw;
	ints xat;
	int64_t rows, stride, cols;
};

// correlation adds to rows [row, row+n) of correlate's dw.
INLINE void correlation(const struct correlateArgs *a, int64_t row, const int n) {
	forget();
	vf sum[ROWS][2];
	float *dw = a->dw.at + row * a->stride;
	if (a->cols == PANEL) {
		unroll for (int r = 0; r < n; r++) {
			sum[r][0] = vload(dw + r * a->stride);
			sum[r][1] = vload(dw + r * a->stride + VW);
		}
	} else {
		vm m0 = vmask(a->cols), m1 = vmask(a->cols - VW);
		unroll for (int r = 0; r < n; r++) {
			sum[r][0] = vloadm(dw + r * a->stride, m0);
			sum[r][1] = vloadm(dw + r * a->stride + VW, m1);
		}
	}
	if (row + n < a->rows) // the next tile, whose rows may straddle two cache lines
		unroll for (int r = 0; r < ROWS; r++) {
			prefetch(dw + (n + r) * a->stride);
			prefetch(dw + (n + r) * a->stride + PANEL - 1);
		}
	const float *x = a->x.at + row, *dy = a->dy.at;
	const int32_t *xat = a->xat.at;
	int64_t pixels = a->xat.len;
	for (int64_t p = 0; p < pixels; p++) {
		const float *xp = x + xat[p];
		cells d0 = cload(dy), d1 = cload(dy + VW);
		dy += PANEL;
		hide(dy);
		unroll for (int r = 0; r < n; r++) {
			cells xr = csplat(xp + r);
			sum[r][0] = cadd(sum[r][0], xr, d0);
			sum[r][1] = cadd(sum[r][1], xr, d1);
		}
	}
	forget();
	if (a->cols == PANEL) {
		unroll for (int r = 0; r < n; r++) {
			vstore(dw + r * a->stride, sum[r][0]);
			vstore(dw + r * a->stride + VW, sum[r][1]);
		}
	} else {
		vm m0 = vmask(a->cols), m1 = vmask(a->cols - VW);
		unroll for (int r = 0; r < n; r++) {
			vstorem(dw + r * a->stride, m0, sum[r][0]);
			vstorem(dw + r * a->stride + VW, m1, sum[r][1]);
		}
	}
}

INLINE void correlateTiles(struct correlateArgs *a) {
	int64_t row = 0, rows = a->rows;
	for (; row + ROWS <= rows; row += ROWS)
		correlation(a, row, ROWS);
	switch (rows - row) {
#if ROWS > 6
	case 7: correlation(a, row, 7); break;
	case 6: correlation(a, row, 6); break;
#endif
#if ROWS > 4
	case 5: correlation(a, row, 5); break;
	case 4: correlation(a, row, 4); break;
#endif
	case 3: correlation(a, row, 3); break;
	case 2: correlation(a, row, 2); break;
	case 1: correlation(a, row, 1); break;
	}
}

struct peakArgs {
	float *sums;    // [VW], to be added to
	const float *x; // [VW]
	int64_t rounds; // of PEAK_SUMS products of whole vectors
};

#define PEAK_SUMS 10

// peakOf does nothing but multiply and add, in registers.
INLINE void peakOf(const struct peakArgs *a) {
	cells x = cload(a->x);
	vf sum[PEAK_SUMS];
	unroll for (int i = 0; i < PEAK_SUMS; i++) sum[i] = vload(a->sums);
	for (int64_t r = a->rounds; r > 0; r--)
		unroll for (int i = 0; i < PEAK_SUMS; i++) sum[i] = cadd(sum[i], x, x);
	vf total = sum[0];
	unroll for (int i = 1; i < PEAK_SUMS; i++) total = vadd(total, sum[i]);
	vstore(a->sums, total);
}

#endif
