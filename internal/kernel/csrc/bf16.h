// Cells of two bfloat16 values where an instruction adds both products of each
// pair: cload and csplat read a vector of them, cadd(sum, x, y) adds products.
#ifndef BF16_H
#define BF16_H

#include "lanes.h"

typedef __m512bh cells;
INLINE cells cload(const float *p) { return (cells)_mm512_loadu_si512(p); }
INLINE cells csplat(const float *p) { return (cells)_mm512_set1_epi32(*(const int32_t *)p); }
INLINE vf cadd(vf sum, cells x, cells y) { return _mm512_dpbf16_ps(sum, x, y); }

// narrowBoth is two vectors as bfloat16, one behind the other.
INLINE __m512i narrowBoth(vf one, vf other) { return (__m512i)_mm512_cvtne2ps_pbh(other, one); }

// lanePairs makes cells of lane i of both vectors.
INLINE __m512i lanePairs(__m512i both) {
	const __m512i join = _mm512_set_epi16(
		31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
		23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	return _mm512_permutexvar_epi16(join, both);
}

#endif
