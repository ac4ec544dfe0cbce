// Pixels gathered by a table of offsets, rounded to bfloat16 and laid out for
// tiles; an offset below zero is a pixel of zeros. See ../frames.go.
#include "amx.h"

#define unroll _Pragma("GCC unroll 16")

struct frameArgs {
	float *to;
	const float *x;
	ints at;
	int64_t c;     // values of a pixel
	int64_t cells; // of a pixel, or of a plane
	float *sums;   // framePanel's
};

// pixel reads up to 16 values of the pixel at an offset from x.
INLINE vf pixel(const float *x, int64_t at, vm m) {
	int64_t there = ~(at >> 63);
	return vloadm(x + (at & there), (vm)(m & there));
}

// pairs is 32 values of a pixel as cells of neighbours.
INLINE __m512i pairs(const float *x, int64_t at, vm m0, vm m1) {
	return (__m512i)_mm512_cvtne2ps_pbh(pixel(x + VW, at, m1), pixel(x, at, m0));
}

// join makes cells of two pixels' values.
INLINE __m512i join(vf low, vf high) { return lanePairs(narrowBoth(low, high)); }

// frameRows writes each pixel as cells of neighbouring values, zeros after the last.
KERNEL(frameRows, frameArgs) {
	float *to = a->to;
	for (int64_t k = 0; k < a->at.len; k++, to += a->cells) {
		const float *x = a->x;
		int64_t at = a->at.at[k];
		for (int64_t i = 0; i < a->cells; i += TILE, x += 2 * VW) {
			vm m0 = vmask(a->c - 2 * i), m1 = vmask(a->c - 2 * i - VW);
			_mm512_storeu_si512(to + i, pairs(x, at, m0, m1));
		}
	}
	_mm256_zeroupper();
}

// framePanel writes rows of 32 cells, each of two pixels one after the other, of up
// to 32 of their values, and adds these up in sums.
KERNEL(framePanel, frameArgs) {
	vm m0 = vmask(a->c), m1 = vmask(a->c - VW);
	vf s0 = vload(a->sums), s1 = vload(a->sums + VW);
	float *to = a->to;
	const int32_t *at = a->at.at;
	for (int64_t k = 0; k < a->at.len; k += 2, at += 2, to += 2 * TILE) {
		vf low = pixel(a->x, at[0], m0), high = pixel(a->x, at[1], m0);
		s0 = vadd(s0, vadd(low, high));
		_mm512_storeu_si512(to, join(low, high));
		low = pixel(a->x + VW, at[0], m1);
		high = pixel(a->x + VW, at[1], m1);
		s1 = vadd(s1, vadd(low, high));
		_mm512_storeu_si512(to + TILE, join(low, high));
	}
	vstore(a->sums, s0);
	vstore(a->sums + VW, s1);
	_mm256_zeroupper();
}

// cell joins 16 values of two pixels that follow each other.
INLINE __m512i cell(const float *x, const int32_t *at, vm m) { return join(pixel(x, at[0], m), pixel(x, at[1], m)); }

// mix4 and spread4 transpose 16×16 cells: the first leaves in t[4q+c] the columns c,
// 4+c, 8+c and 12+c of rows 4q to 4q+3, the second writes row c of the result and every
// fourth from there, so many cells apart.
INLINE void mix4(__m512i *t, __m512i r0, __m512i r1, __m512i r2, __m512i r3) {
	__m512i u0 = _mm512_unpacklo_epi32(r0, r1), u1 = _mm512_unpackhi_epi32(r0, r1);
	__m512i u2 = _mm512_unpacklo_epi32(r2, r3), u3 = _mm512_unpackhi_epi32(r2, r3);
	t[0] = _mm512_unpacklo_epi64(u0, u2);
	t[1] = _mm512_unpackhi_epi64(u0, u2);
	t[2] = _mm512_unpacklo_epi64(u1, u3);
	t[3] = _mm512_unpackhi_epi64(u1, u3);
}

INLINE void spread4(float *to, int64_t apart, __m512i a, __m512i b, __m512i c, __m512i d) {
	__m512i low = _mm512_shuffle_i32x4(a, b, 0x44), high = _mm512_shuffle_i32x4(a, b, 0xee);
	__m512i low2 = _mm512_shuffle_i32x4(c, d, 0x44), high2 = _mm512_shuffle_i32x4(c, d, 0xee);
	_mm512_storeu_si512(to, _mm512_shuffle_i32x4(low, low2, 0x88));
	_mm512_storeu_si512(to + 4 * apart, _mm512_shuffle_i32x4(low, low2, 0xdd));
	_mm512_storeu_si512(to + 8 * apart, _mm512_shuffle_i32x4(high, high2, 0x88));
	_mm512_storeu_si512(to + 12 * apart, _mm512_shuffle_i32x4(high, high2, 0xdd));
}

// framePlanes writes each value of 32·n pixels to its own plane, a half cell a pixel.
KERNEL(framePlanes, frameArgs) {
	for (int64_t k = 0; k < a->at.len; k += 2 * TILE) {
		for (int64_t i = 0; i < a->c; i += TILE) {
			vm m = vmask(a->c - i);
			__m512i t[TILE];
			const float *x = a->x + i;
			const int32_t *at = a->at.at + k;
			unroll for (int j = 0; j < TILE; j += 4) {
				forget();
				mix4(t + j, cell(x, at, m), cell(x, at + 2, m), cell(x, at + 4, m), cell(x, at + 6, m));
				at += 8;
				hide(at);
			}
			float *to = a->to + k / 2 + i * a->cells;
			unroll for (int c = 0; c < 4; c++, to += a->cells) {
				hide(to);
				spread4(to, a->cells, t[c], t[4 + c], t[8 + c], t[12 + c]);
			}
		}
	}
	_mm256_zeroupper();
}

// frameTurn writes the cells of 32 pixels as a panel's columns.
KERNEL(frameTurn, frameArgs) {
	for (int64_t i = 0; i < a->cells; i += TILE) {
		vm m0 = vmask(a->c - 2 * i), m1 = vmask(a->c - 2 * i - VW);
		for (int64_t k = 0; k < 2 * TILE; k += TILE) {
			__m512i t[TILE];
			const float *x = a->x + 2 * i;
			const int32_t *at = a->at.at + k;
			unroll for (int j = 0; j < TILE; j += 4) {
				forget();
				mix4(t + j, pairs(x, at[0], m0, m1), pairs(x, at[1], m0, m1), pairs(x, at[2], m0, m1), pairs(x, at[3], m0, m1));
				at += 4;
				hide(at);
			}
			float *to = a->to + i * 2 * TILE + k;
			unroll for (int c = 0; c < 4; c++, to += 2 * TILE) {
				hide(to);
				spread4(to, 2 * TILE, t[c], t[4 + c], t[8 + c], t[12 + c]);
			}
		}
	}
	_mm256_zeroupper();
}

// frameRest writes what rounding c values leaves of them.
KERNEL(frameRest, frameArgs) {
	for (int64_t i = 0; i < a->c; i += VW) {
		vm m = vmask(a->c - i);
		vf x = vloadm(a->x + i, m);
		__m512i rounded = _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x)), 16);
		vstorem(a->to + i, m, vsub(x, _mm512_castsi512_ps(rounded)));
	}
	_mm256_zeroupper();
}
