#include "exp.h"

struct rowsArgs {
	float *y;       // sumRows: the sums
	const float *x; // [rows][c]
	const float *e; // [c]
	int64_t rows, c;
};

INLINE void addRowFew(const struct rowsArgs *a, int64_t i, const int count, part w) {
	vf e[4];
	FEW(v, count) e[v] = get(w, a->e + i + v * VW);
	const float *x = a->x + i;
	float *y = a->y + i;
	for (int64_t r = 0; r < a->rows; r++, x += a->c, y += a->c)
		FEW(v, count) put(w, y + v * VW, vadd(get(w, x + v * VW), e[v]));
}

KERNEL(addRow, rowsArgs) { EACH_FEW(a->c, addRowFew, a); }

INLINE void sumRowsFew(const struct rowsArgs *a, int64_t i, const int count, part w) {
	vf sum[4];
	FEW(v, count) sum[v] = vzero();
	const float *x = a->x + i;
	for (int64_t r = 0; r < a->rows; r++, x += a->c)
		FEW(v, count) sum[v] = vadd(sum[v], get(w, x + v * VW));
	FEW(v, count) put(w, a->y + i + v * VW, sum[v]);
}

KERNEL(sumRows, rowsArgs) { EACH_FEW(a->c, sumRowsFew, a); }

struct matrixArgs {
	float *dst;
	const float *src;
	int64_t ldd, lds, rows, cols;
	float scale;
};

INLINE void copyStep(float *dst, const float *src, vf scale, int64_t i, part w) {
	put(w, dst + i, vmul(scale, get(w, src + i)));
}

KERNEL(copyRows, matrixArgs) {
	const vf scale = vset(a->scale);
	float *dst = a->dst;
	const float *src = a->src;
	for (int64_t r = 0; r < a->rows; r++, dst += a->ldd, src += a->lds)
		EACH(a->cols, copyStep, dst, src, scale);
}

// halves joins 4 floats at p with 4 at q.
INLINE __m256 halves(const float *p, const float *q) {
	return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(q), 1);
}

// store8 writes 8 cells, whatever their bits, or 8 values times scale.
INLINE void store8(float *dst, __m256d x, __m256 scale, const int scaled) {
	__m256 y = _mm256_castpd_ps(x);
	_mm256_storeu_ps(dst, scaled ? _mm256_mul_ps(scale, y) : y);
}

// transpose8by4 turns 8 rows of 4 columns into 4 rows of 8.
INLINE void transpose8by4(float *dst, int64_t ldd, const float *src, int64_t lds, __m256 scale, const int scaled) {
	const float *low = src + 4 * lds;
	__m256 r0 = halves(src, low), r1 = halves(src + lds, low + lds);
	__m256 r2 = halves(src + 2 * lds, low + 2 * lds), r3 = halves(src + 3 * lds, low + 3 * lds);
	__m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1)), b = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
	__m256d c = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3)), d = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
	store8(dst, _mm256_unpacklo_pd(a, c), scale, scaled);
	store8(dst + ldd, _mm256_unpackhi_pd(a, c), scale, scaled);
	store8(dst + 2 * ldd, _mm256_unpacklo_pd(b, d), scale, scaled);
	store8(dst + 3 * ldd, _mm256_unpackhi_pd(b, d), scale, scaled);
}

// transpose treats whole 8 by 4 tiles; rows and cols are multiples of these.
KERNEL(transpose, matrixArgs) {
	const __m256 scale = _mm256_set1_ps(a->scale);
	for (int64_t i = 0; i < a->rows; i += 8)
		for (int64_t j = 0; j < a->cols; j += 4)
			transpose8by4(a->dst + j * a->ldd + i, a->ldd, a->src + i * a->lds + j, a->lds, scale, 1);
}

// turn is transpose of cells, at least a tile of them, without arithmetic.
KERNEL(turn, matrixArgs) {
	int64_t i = 0;
	do {
		int64_t j = 0;
		do
			transpose8by4(a->dst + j * a->ldd + i, a->ldd, a->src + i * a->lds + j, a->lds, _mm256_setzero_ps(), 0);
		while ((j += 4) < a->cols);
	} while ((i += 8) < a->rows);
}
