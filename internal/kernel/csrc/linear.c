// The micro-kernels of float64 matrices (internal/linalg): products, sums over
// one triangle of a symmetric matrix, rows times a vector and back.
#include "doubles.h"

// A tile of sums is ROWS x VECTORS vectors: 24 of 32 registers with AVX-512,
// 12 of 16 with AVX2, where rows of A come four at a time from turn64.
#if VW == 16
#define ROWS 8
#else
#define ROWS 4
#endif
#define VECTORS 3
#define COLS (VECTORS * VD)

struct tiles64Args {
	double *c;
	const double *a, *b;
	int64_t tiles, terms, ldc;
	double alpha;
};

KERNEL(tiles64, tiles64Args) {
	const double *x = a->a;
	double *c = a->c;
	for (int64_t t = a->tiles; t > 0; t--) {
		int64_t ldc = a->ldc;
		unroll for (int r = 0; r < ROWS; r++) unroll for (int v = 0; v < VECTORS; v++)
			prefetch64(c + r * ldc + v * VD);
		vd sum[ROWS][VECTORS];
		unroll for (int r = 0; r < ROWS; r++) unroll for (int v = 0; v < VECTORS; v++)
			sum[r][v] = dzero();
		const double *b = a->b;
		forget();
		for (int64_t k = a->terms; k > 0; k--) {
			vd bk[VECTORS];
			unroll for (int v = 0; v < VECTORS; v++) {
				bk[v] = dload(b + v * VD);
				keep(bk[v]);
			}
			unroll for (int r = 0; r < ROWS; r++) {
				vd xr = dsplat(x + r);
				unroll for (int v = 0; v < VECTORS; v++) sum[r][v] = dfma(xr, bk[v], sum[r][v]);
			}
			b += COLS;
			x += ROWS;
		}
		forget();
		vd alpha = dsplat(&a->alpha);
		unroll for (int r = 0; r < ROWS; r++) {
			unroll for (int v = 0; v < VECTORS; v++) {
				dstore(c + v * VD, dfma(alpha, sum[r][v], dload(c + v * VD)));
			}
			c += ldc;
			hide(c);
		}
	}
}

// rows4 is where four rows at a distance of ld start, without a pointer to each.
typedef struct {
	const double *at;
	int64_t ld, ld3;
} rows4;
INLINE rows4 rowsFrom(const double *at, int64_t ld) {
	int64_t ld3 = 3 * ld;
	hide(at);
	hide(ld3);
	return (rows4){at, ld, ld3};
}
INLINE vd dloadRow(rows4 m, const int r) {
	const double *at = m.at;
	return dload(r == 0 ? at : r == 1 ? at + m.ld : r == 2 ? at + 2 * m.ld : at + m.ld3);
}

struct symmetric64Args {
	double *y;
	const double *a, *x;
	int64_t rows, cols, lda;
};

// VD rows at a time, which keep their sums and their elements of x in registers.
// The first square of them lies on the diagonal and holds both triangles; what
// is right of it counts for its rows and, turned, for its columns.
KERNEL(symmetric64, symmetric64Args) {
	for (; a->rows > 0; a->rows -= VD, a->cols -= VD) {
		const double *x = a->x;
		double *y = a->y;
		rows4 m[VD / 4];
		vd sum[VD], xr[VD], xj = dload(x);
		unroll for (int r = 0; r < VD; r++) {
			if (r % 4 == 0) m[r / 4] = rowsFrom(a->a + r * a->lda, a->lda);
			sum[r] = dmul(dloadRow(m[r / 4], r % 4), xj);
			xr[r] = dsplat(x + r);
		}
		for (int64_t j = a->cols - VD; j > 0; j -= VD) {
			unroll for (int q = 0; q < VD / 4; q++) m[q].at += VD;
			x += VD;
			y += VD;
			xj = dload(x);
			vd yj = dload(y);
			unroll for (int r = 0; r < VD; r++) {
				vd arj = dloadRow(m[r / 4], r % 4);
				sum[r] = dfma(arj, xj, sum[r]);
				yj = dfma(arj, xr[r], yj);
			}
			dstore(y, yj);
		}
		y = a->y;
		unroll for (int r = 0; r < VD; r++) y[r] += dsum(sum[r]);
		a->a += VD * (a->lda + 1);
		a->x += VD;
		a->y += VD;
	}
}

struct rows64Args {
	double *y;
	const double *m, *x;
	int64_t rows, cols, ld;
};

KERNEL(dots64, rows64Args) {
	for (; a->rows >= 4; a->rows -= 4, a->y += 4, a->m += 4 * a->ld) {
		forget();
		const double *x = a->x;
		rows4 m = rowsFrom(a->m, a->ld);
		vd sum[4];
		unroll for (int r = 0; r < 4; r++) sum[r] = dzero();
		for (int64_t j = a->cols; j > 0; j -= VD) {
			vd xj = dload(x);
			unroll for (int r = 0; r < 4; r++) sum[r] = dfma(dloadRow(m, r), xj, sum[r]);
			m.at += VD;
			x += VD;
		}
		forget();
		unroll for (int r = 0; r < 4; r++) a->y[r] = dsum(sum[r]);
	}
	for (; a->rows > 0; a->rows--, a->y++, a->m += a->ld) {
		const double *m = a->m, *x = a->x;
		vd sum = dzero();
		for (int64_t j = 0; j < a->cols; j += VD) sum = dfma(dload(m + j), dload(x + j), sum);
		*a->y = dsum(sum);
	}
}

KERNEL(combine64, rows64Args) {
	for (; a->rows >= 4; a->rows -= 4, a->x += 4, a->m += 4 * a->ld) {
		double *y = a->y;
		rows4 m = rowsFrom(a->m, a->ld);
		vd xr[4];
		unroll for (int r = 0; r < 4; r++) xr[r] = dsplat(a->x + r);
		for (int64_t j = a->cols; j > 0; j -= VD) {
			vd yj = dload(y);
			unroll for (int r = 0; r < 4; r++) yj = dfma(xr[r], dloadRow(m, r), yj);
			dstore(y, yj);
			m.at += VD;
			y += VD;
		}
	}
	for (; a->rows > 0; a->rows--, a->x++, a->m += a->ld) {
		const double *m = a->m;
		double *y = a->y;
		vd xr = dsplat(a->x);
		for (int64_t j = 0; j < a->cols; j += VD) dstore(y + j, dfma(xr, dload(m + j), dload(y + j)));
	}
}

struct turn64Args {
	double *dst;
	const double *src;
	int64_t rows, cols, ldd, lds;
};

// turn64 turns squares of 4×4 in registers; rows and cols are multiples of 4.
KERNEL(turn64, turn64Args) {
	int64_t ldd = a->ldd, lds = a->lds, rows = a->rows;
	int64_t i = 0;
	do {
		const double *from = a->src + i * lds;
		double *to = a->dst + i;
		int64_t j = a->cols;
		do {
			__m256d r0 = _mm256_loadu_pd(from), r1 = _mm256_loadu_pd(from + lds);
			__m256d r2 = _mm256_loadu_pd(from + 2 * lds), r3 = _mm256_loadu_pd(from + 3 * lds);
			__m256d p0 = _mm256_unpacklo_pd(r0, r1), p1 = _mm256_unpackhi_pd(r0, r1);
			__m256d p2 = _mm256_unpacklo_pd(r2, r3), p3 = _mm256_unpackhi_pd(r2, r3);
			_mm256_storeu_pd(to, _mm256_permute2f128_pd(p0, p2, 0x20));
			_mm256_storeu_pd(to + ldd, _mm256_permute2f128_pd(p1, p3, 0x20));
			_mm256_storeu_pd(to + 2 * ldd, _mm256_permute2f128_pd(p0, p2, 0x31));
			_mm256_storeu_pd(to + 3 * ldd, _mm256_permute2f128_pd(p1, p3, 0x31));
			from += 4;
			to += 4 * ldd;
		} while ((j -= 4) > 0);
	} while ((i += 4) < rows);
}
