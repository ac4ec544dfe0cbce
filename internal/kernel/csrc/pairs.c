// The micro-kernels of convolutions and linear layers in bfloat16: a cell is a
// pair of neighbouring terms, the first in its low half. Products are added in
// float32. See ../gemm.go.
#include "exp.h"

#ifdef __AVX512BF16__
#include "bf16.h"
#define ROWS 8
#else
// Without it, halves are float32 with zeros behind them.
#if VW == 16
#define ROWS 8
#else
#define ROWS 3
#endif
typedef struct {
	vf low, high;
} cells;
INLINE vf highHalf(vf x) {
#if VW == 16
	return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0xffff0000)));
#else
	return _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0xffff0000)));
#endif
}
INLINE cells halves(vf x) { return (cells){vshl(x, 16), highHalf(x)}; }
INLINE cells cload(const float *p) { return halves(vload(p)); }
INLINE cells csplat(const float *p) { return halves(vsplat(p)); }
INLINE vf cadd(vf sum, cells x, cells y) { return vfma(x.low, y.low, vfma(x.high, y.high, sum)); }
#endif

#include "tile.h"

KERNEL(multiplyPairs, multiplyArgs) { multiplyTiles(a); }

KERNEL(correlatePairs, correlateArgs) { correlateTiles(a); }

KERNEL(peakPairs, peakArgs) { peakOf(a); }

// upper is x rounded to bfloat16, to the nearest or to even, in the upper half
// of each lane; the lower half is left as it comes. NaNs stay NaNs.
INLINE vi upper(vf x) {
#if VW == 16
	__m512i bits = _mm512_castps_si512(x);
	__m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
	__m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff)));
	__mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
	return _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
#else
	__m256i bits = _mm256_castps_si256(x);
	__m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
	__m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7fff)));
	__m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
	return _mm256_blendv_epi8(rounded, _mm256_or_si256(bits, _mm256_set1_epi32(0x400000)), nan);
#endif
}

// pair joins two vectors lane by lane: low in the low half of each cell.
INLINE vf pair(vf low, vf high) {
#if VW == 16
	return _mm512_castsi512_ps(_mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(upper(low), 16), upper(high)));
#else
	return _mm256_castsi256_ps(_mm256_blend_epi16(_mm256_srli_epi32(upper(low), 16), upper(high), 0xaa));
#endif
}

struct zipArgs {
	float *cells;
	const float *low, *high;
	int64_t n;
};

INLINE void zipStep(const struct zipArgs *a, int64_t i, part w) {
	put(w, a->cells + i, pair(get(w, a->low + i), get(w, a->high + i)));
}

// zip joins two rows of n values cell by cell.
KERNEL(zip, zipArgs) { EACH(a->n, zipStep, a); }

// narrow rounds n values to n/2 cells of neighbours; an odd last one is left out.
KERNEL(narrow, zipArgs) {
	const float *x = a->low;
	float *to = a->cells;
	int64_t n = a->n;
#ifdef __AVX512BF16__
	for (; n >= 2 * VW; n -= 2 * VW, x += 2 * VW, to += VW)
		_mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(vload(x + VW), vload(x)));
	for (; n >= VW; n -= VW, x += VW, to += VW / 2)
		_mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(vload(x)));
#elif VW == 16
	for (; n >= VW; n -= VW, x += VW, to += VW / 2)
		_mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(_mm512_srli_epi32(upper(vload(x)), 16)));
#else
	for (; n >= VW; n -= VW, x += VW, to += VW / 2) {
		__m256i halves = _mm256_srli_epi32(upper(vload(x)), 16);
		__m256i packed = _mm256_packus_epi32(halves, halves); // within 128 bits
		_mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08)));
	}
#endif
	for (; n >= 2; n -= 2, x += 2, to++) {
		vf one = pair(vloadm(x, vmask(1)), vloadm(x + 1, vmask(1)));
		vstorem(to, vmask(1), one);
	}
}

struct pairPanelArgs {
	float *panel, *sums;
	const float *x;
	int64_t rows, stride, cols;
};

// panelColumn is panelPairs for the vector of columns from j on.
INLINE void panelColumn(const struct pairPanelArgs *a, int64_t j, part w) {
	const float *x = a->x + j;
	float *to = a->panel + j;
	vf sum = vload(a->sums + j);
	int64_t r = a->rows;
	for (; r >= 2; r -= 2, x += 2 * a->stride, to += PANEL) {
		vf low = get(w, x), high = get(w, x + a->stride);
		vstore(to, pair(low, high));
		sum = vadd(sum, vadd(low, high));
	}
	if (r) {
		vf low = get(w, x);
		vstore(to, pair(low, vzero()));
		sum = vadd(sum, low);
	}
	vstore(a->sums + j, sum);
}

// panelPairs copies a panel's columns together, two rows to a row of cells, and
// adds them up; an odd last row is joined with zeros.
KERNEL(panelPairs, pairPanelArgs) {
	for (int64_t j = 0; j < PANEL; j += VW)
		if (a->cols >= j + VW)
			panelColumn(a, j, whole());
		else
			panelColumn(a, j, first(a->cols - j));
}
