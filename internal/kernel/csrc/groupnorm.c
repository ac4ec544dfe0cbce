#include "exp.h"

struct normArgs {
	float *sum, *sq;        // [c] moments, or sums of du and du*(x-mean)
	float *y;               // [rows][c] result; du, dx in the gradient
	const float *x, *dy;    // [rows][c]
	const float *a, *b, *k; // [c] coefficients
	const float *mean;      // [c]
	const float *from;      // [rows][c] to add, or null
	int64_t rows, c;
};

INLINE void addTo(part w, float *sum, vf x) { put(w, sum, vadd(get(w, sum), x)); }

// SUM_ROWS rows are summed apart before they join the total, so that the
// rounding error of long sums stays small.
#define SUM_ROWS 32

INLINE void momentsFew(const struct normArgs *a, int64_t i, const int count, part w) {
	vf first[4], sum[4], sq[4];
	const float *x = a->x + i;
	FEW(v, count) {
		first[v] = get(w, x + v * VW);
		put(w, a->sum + i + v * VW, vzero());
		put(w, a->sq + i + v * VW, vzero());
	}
	for (int64_t r = 0; r < a->rows; r += SUM_ROWS) {
		FEW(v, count) sum[v] = sq[v] = vzero();
		int64_t left = a->rows - r;
		for (left = left < SUM_ROWS ? left : SUM_ROWS; left > 0; left--, x += a->c)
			FEW(v, count) {
				vf d = vsub(get(w, x + v * VW), first[v]);
				sum[v] = vadd(sum[v], d);
				sq[v] = vfma(d, d, sq[v]);
			}
		FEW(v, count) {
			addTo(w, a->sum + i + v * VW, sum[v]);
			addTo(w, a->sq + i + v * VW, sq[v]);
		}
	}
}

KERNEL(moments, normArgs) { EACH_FEW(a->c, momentsFew, a); }

INLINE void affineFew(const struct normArgs *a, int64_t i, const int count, part w) {
	vf slope[4], shift[4];
	FEW(v, count) slope[v] = get(w, a->a + i + v * VW);
	FEW(v, count) shift[v] = get(w, a->b + i + v * VW);
	const float *x = a->x + i;
	float *y = a->y + i;
	for (int64_t r = 0; r < a->rows; r++, x += a->c, y += a->c)
		FEW(v, count) put(w, y + v * VW, vfma(get(w, x + v * VW), slope[v], shift[v]));
}

KERNEL(affine, normArgs) { EACH_FEW(a->c, affineFew, a); }

INLINE void affineSiLUStep(const struct normArgs *a, float *y, const float *x, int64_t i, part w) {
	put(w, y + i, vsilu(vfma(get(w, x + i), get(w, a->a + i), get(w, a->b + i))));
}

KERNEL(affineSiLU, normArgs) {
	const float *x = a->x;
	float *y = a->y;
	for (int64_t r = 0; r < a->rows; r++, x += a->c, y += a->c)
		EACH(a->c, affineSiLUStep, a, y, x);
}

INLINE void normSumsFew(const struct normArgs *a, int64_t i, const int count, part w) {
	vf mean[4], sum[4], sq[4];
	FEW(v, count) {
		mean[v] = get(w, a->mean + i + v * VW);
		sum[v] = sq[v] = vzero();
	}
	const float *x = a->x + i, *dy = a->dy + i;
	for (int64_t r = 0; r < a->rows; r++, x += a->c, dy += a->c)
		FEW(v, count) {
			vf d = get(w, dy + v * VW);
			sum[v] = vadd(sum[v], d);
			sq[v] = vfma(d, vsub(get(w, x + v * VW), mean[v]), sq[v]);
		}
	FEW(v, count) {
		addTo(w, a->sum + i + v * VW, sum[v]);
		addTo(w, a->sq + i + v * VW, sq[v]);
	}
}

KERNEL(normSums, normArgs) { EACH_FEW(a->c, normSumsFew, a); }

// The sums are kept in memory: the exponential needs the registers.
INLINE void siluNormSumsStep(const struct normArgs *a, float *du, const float *dy, const float *x, int64_t i, part w) {
	vf xi = get(w, x + i);
	vf d = vmul(get(w, dy + i), vsiluslope(vfma(xi, get(w, a->a + i), get(w, a->b + i))));
	put(w, du + i, d);
	addTo(w, a->sum + i, d);
	put(w, a->sq + i, vfma(d, vsub(xi, get(w, a->mean + i)), get(w, a->sq + i)));
}

KERNEL(siluNormSums, normArgs) {
	const float *x = a->x, *dy = a->dy;
	float *du = a->y;
	for (int64_t r = 0; r < a->rows; r++, x += a->c, dy += a->c, du += a->c)
		EACH(a->c, siluNormSumsStep, a, du, dy, x);
}

INLINE void affine2Of(const struct normArgs *a, int64_t i, const int count, part w, const int plus) {
	vf slope[4], k1[4], k0[4];
	FEW(v, count) slope[v] = get(w, a->a + i + v * VW);
	FEW(v, count) k1[v] = get(w, a->k + i + v * VW);
	FEW(v, count) k0[v] = get(w, a->b + i + v * VW);
	const float *x = a->x + i, *du = a->dy + i;
	float *dx = a->y + i;
	const float *from = plus ? a->from + i : 0;
	for (int64_t r = 0; r < a->rows; r++, x += a->c, du += a->c, dx += a->c) {
		FEW(v, count) {
			vf d = vfma(get(w, du + v * VW), slope[v], vfma(get(w, x + v * VW), k1[v], k0[v]));
			if (plus)
				d = vadd(d, get(w, from + v * VW));
			put(w, dx + v * VW, d);
		}
		if (plus)
			from += a->c;
	}
}

INLINE void affine2Few(const struct normArgs *a, int64_t i, const int count, part w) { affine2Of(a, i, count, w, 0); }
INLINE void affine2PlusFew(const struct normArgs *a, int64_t i, const int count, part w) { affine2Of(a, i, count, w, 1); }

KERNEL(affine2, normArgs) {
	if (a->from)
		EACH_FEW(a->c, affine2PlusFew, a);
	else
		EACH_FEW(a->c, affine2Few, a);
}
