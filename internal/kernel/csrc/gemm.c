// The micro-kernels of convolutions and linear layers: tiles of ROWS x 2
// vectors of sums kept in registers. See ../gemm.go for what they compute.
#include "lanes.h"

// ROWS is what the registers hold: 12 of 16 accumulators with AVX2. With
// AVX-512 the pointers to the rows run out before its 32 vectors do; 16 sums
// cover the latency of two multiply-adds a cycle.
#if VW == 16
#define ROWS 8
#else
#define ROWS 6
#endif
#define PANEL (2 * VW) // columns of a tile

// unroll spells out the loop below it.
#define unroll _Pragma("GCC unroll 16")

struct multiplyArgs {
	floats x, b, bias, y;
	ints xat, yat;
	int64_t segments, length, stride, cols, row;
};

// product computes rows [row, row+n) of multiply's y.
INLINE void product(struct multiplyArgs *a, const int n) {
	forget();
	vf sum[ROWS][2];
	const float *x[ROWS];
	const int32_t *xat = a->xat.at + a->row, *yat = a->yat.at + a->row;
	if (a->bias.len) {
		unroll for (int r = 0; r < n; r++) {
			sum[r][0] = vload(a->bias.at);
			sum[r][1] = vload(a->bias.at + VW);
		}
	} else if (a->cols == PANEL) {
		unroll for (int r = 0; r < n; r++) {
			const float *y = a->y.at + yat[r];
			sum[r][0] = vload(y);
			sum[r][1] = vload(y + VW);
		}
	} else {
		vm m0 = vmask(a->cols), m1 = vmask(a->cols - VW);
		unroll for (int r = 0; r < n; r++) {
			const float *y = a->y.at + yat[r];
			sum[r][0] = vloadm(y, m0);
			sum[r][1] = vloadm(y + VW, m1);
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
			vf b0 = vload(b), b1 = vload(b + VW);
			b += PANEL;
			hide(b);
			unroll for (int r = 0; r < n; r++) {
				vf xk = vsplat(x[r] + k);
				sum[r][0] = vfma(xk, b0, sum[r][0]);
				sum[r][1] = vfma(xk, b1, sum[r][1]);
			}
		}
		k += a->stride - a->length;
		forget();
	}
	forget();
	yat = a->yat.at + a->row;
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

KERNEL(multiply, multiplyArgs) {
	for (a->row = 0; a->row + ROWS <= a->xat.len; a->row += ROWS)
		product(a, ROWS);
	switch (a->xat.len - a->row) {
#if ROWS > 6
	case 7: product(a, 7); break;
	case 6: product(a, 6); break;
#endif
	case 5: product(a, 5); break;
	case 4: product(a, 4); break;
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
		vf d0 = vload(dy), d1 = vload(dy + VW);
		dy += PANEL;
		hide(dy);
		unroll for (int r = 0; r < n; r++) {
			vf xr = vsplat(xp + r);
			sum[r][0] = vfma(xr, d0, sum[r][0]);
			sum[r][1] = vfma(xr, d1, sum[r][1]);
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

KERNEL(correlate, correlateArgs) {
	int64_t row = 0, rows = a->rows;
	for (; row + ROWS <= rows; row += ROWS)
		correlation(a, row, ROWS);
	switch (rows - row) {
#if ROWS > 6
	case 7: correlation(a, row, 7); break;
	case 6: correlation(a, row, 6); break;
#endif
	case 5: correlation(a, row, 5); break;
	case 4: correlation(a, row, 4); break;
	case 3: correlation(a, row, 3); break;
	case 2: correlation(a, row, 2); break;
	case 1: correlation(a, row, 1); break;
	}
}

struct panelArgs {
	floats panel, sums, x;
	int64_t rows, stride, cols;
};

KERNEL(panel, panelArgs) {
	const float *x = a->x.at;
	float *to = a->panel.at;
	int64_t stride = a->stride;
	vf s0 = vload(a->sums.at), s1 = vload(a->sums.at + VW);
	if (a->cols == PANEL) {
		for (int64_t r = a->rows; r > 0; r--, x += stride, to += PANEL) {
			vf x0 = vload(x), x1 = vload(x + VW);
			vstore(to, x0);
			vstore(to + VW, x1);
			s0 = vadd(s0, x0);
			s1 = vadd(s1, x1);
		}
	} else {
		vm m0 = vmask(a->cols), m1 = vmask(a->cols - VW);
		for (int64_t r = a->rows; r > 0; r--, x += stride, to += PANEL) {
			vf x0 = vloadm(x, m0), x1 = vloadm(x + VW, m1);
			vstore(to, x0);
			vstore(to + VW, x1);
			s0 = vadd(s0, x0);
			s1 = vadd(s1, x1);
		}
	}
	vstore(a->sums.at, s0);
	vstore(a->sums.at + VW, s1);
}
