// Cells of two bfloat16 values where an instruction adds both products of each
// pair: cload and csplat read a vector of them, cadd(sum, x, y) adds products.
#ifndef BF16_H
#define BF16_H

#include "lanes.h"

typedef __m512bh cells;
INLINE cells cload(const float *p) { return (cells)_mm512_loadu_si512(p); }
INLINE cells csplat(const float *p) { return (cells)_mm512_set1_epi32(*(const int32_t *)p); }
INLINE vf cadd(vf sum, cells x, cells y) { return _mm512_dpbf16_ps(sum, x, y); }

#endif
