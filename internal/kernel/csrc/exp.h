// Exponentials, sigmoid, and loops over whole and partial vectors.
#ifndef EXP_H
#define EXP_H

#include "lanes.h"

#if VW == 8
INLINE vf vdiv(vf x, vf y) { return _mm256_div_ps(x, y); }
INLINE vf vsqrt(vf x) { return _mm256_sqrt_ps(x); }
INLINE vf vmin(vf x, vf y) { return _mm256_min_ps(x, y); } // y if either is NaN
INLINE vf vnegfma(vf x, vf y, vf z) { return _mm256_fnmadd_ps(x, y, z); } // z - x*y
INLINE vf vabove(vf x, vf limit, vf yes, vf no) { return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, limit, _CMP_GT_OQ)); } // x > limit ? yes : no
INLINE vf vshl(vf x, int n) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), n)); } // of the bits

// vd is half as many doubles.
typedef __m256d vd;
INLINE vd dzero(void) { return _mm256_setzero_pd(); }
INLINE vd dlow(vf x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
INLINE vd dhigh(vf x) { return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)); }
INLINE vd dfma(vd x, vd y, vd z) { return _mm256_fmadd_pd(x, y, z); }
INLINE vd dadd(vd x, vd y) { return _mm256_add_pd(x, y); }
INLINE void dstore(double *p, vd x) { _mm256_storeu_pd(p, x); }
#elif VW == 16
INLINE vf vdiv(vf x, vf y) { return _mm512_div_ps(x, y); }
INLINE vf vsqrt(vf x) { return _mm512_sqrt_ps(x); }
INLINE vf vmin(vf x, vf y) { return _mm512_min_ps(x, y); }
INLINE vf vnegfma(vf x, vf y, vf z) { return _mm512_fnmadd_ps(x, y, z); }
INLINE vf vabove(vf x, vf limit, vf yes, vf no) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_GT_OQ), no, yes); }
INLINE vf vshl(vf x, int n) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(x), n)); }

typedef __m512d vd;
INLINE vd dzero(void) { return _mm512_setzero_pd(); }
INLINE vd dlow(vf x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
INLINE vd dhigh(vf x) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)); }
INLINE vd dfma(vd x, vd y, vd z) { return _mm512_fmadd_pd(x, y, z); }
INLINE vd dadd(vd x, vd y) { return _mm512_add_pd(x, y); }
INLINE void dstore(double *p, vd x) { _mm512_storeu_pd(p, x); }
#endif

// part is a whole vector or, at the end of a row, its first lanes. Functions
// that take one are inlined, so that whole ones cost nothing.
typedef struct {
	int whole;
	vm lanes;
} part;
INLINE part whole(void) { return (part){.whole = 1}; }
INLINE part first(int64_t n) { return (part){.lanes = vmask(n)}; }
INLINE vf get(part w, const float *p) { return w.whole ? vload(p) : vloadm(p, w.lanes); }
INLINE void put(part w, float *p, vf x) {
	if (w.whole)
		vstore(p, x);
	else
		vstorem(p, w.lanes, x);
}

// EACH calls step(..., i, part) for the vectors that start at i = 0, VW, ... < n.
#define EACH(n, step, ...) do { \
	int64_t i = 0; \
	for (; i + VW <= (n); i += VW) \
		step(__VA_ARGS__, i, whole()); \
	if (i < (n)) \
		step(__VA_ARGS__, i, first((n) - i)); \
} while (0)

// EACH_FEW calls step(..., i, count, part) for groups of 4, then 2, then 1
// vectors that start at i; only a single one can be partial.
#define EACH_FEW(n, step, ...) do { \
	int64_t i = 0; \
	for (; i + 4 * VW <= (n); i += 4 * VW) \
		step(__VA_ARGS__, i, 4, whole()); \
	if (i + 2 * VW <= (n)) { \
		step(__VA_ARGS__, i, 2, whole()); \
		i += 2 * VW; \
	} \
	if (i + VW <= (n)) { \
		step(__VA_ARGS__, i, 1, whole()); \
		i += VW; \
	} \
	if (i < (n)) \
		step(__VA_ARGS__, i, 1, first((n) - i)); \
} while (0)

// FEW repeats a statement for v = 0 ... count-1, in line.
#define FEW(v, count) _Pragma("GCC unroll 16") for (int v = 0; v < (count); v++)

// Adding SHIFTER to |t| <= 126.5 rounds t to an integer n and leaves n + 127
// in the low bits: shifted to the exponent's place, they are 2^n.
#define SHIFTER (0x1.8p23f + 127)

// pow2 is the minimax polynomial of 2^f, |f| <= 1/2, times the 2^n in z. Even
// and odd terms are summed apart because a chain of sums is slow.
INLINE vf pow2(vf f, vf z) {
	vf ff = vmul(f, f);
	vf p01 = vfma(vset(0.6931469440460205f), f, vset(1.0000001192092896f));
	vf p23 = vfma(vset(0.05550713092088699f), f, vset(0.24022120237350464f));
	vf p45 = vfma(vset(0.0013276472454890609f), f, vset(0.009675540961325169f));
	return vmul(vfma(vfma(p45, ff, p23), ff, p01), vshl(z, 23));
}

// vexp2 is 2^t for t <= 127, and 2^-126 or less for t < -126; NaN gives NaN.
#if VW == 16
INLINE vf vexp2(vf t) {
	vf n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = vsub(t, n);
	vf p = vset(0.0013276472454890609f); // pow2's, summed in a chain: many of them run at once
	p = vfma(p, f, vset(0.009675540961325169f));
	p = vfma(p, f, vset(0.05550713092088699f));
	p = vfma(p, f, vset(0.24022120237350464f));
	p = vfma(p, f, vset(0.6931469440460205f));
	return _mm512_scalef_ps(vfma(p, f, vset(1.0000001192092896f)), n);
}
#else
INLINE vf vexp2(vf t) {
	t = vmax(vset(-126), t);
	vf z = vadd(t, vset(SHIFTER));
	return pow2(vsub(t, vsub(z, vset(SHIFTER))), z);
}
#endif

// vexpneg is e^-u for |u| <= 87, and that of the limit beyond; NaN gives NaN.
INLINE vf vexpneg(vf u) {
	const vf log2e = vset(1.44269504088896341f);
	u = vmin(vset(87), vmax(vset(-87), u));
	vf z = vnegfma(u, log2e, vset(SHIFTER));
	return pow2(vnegfma(u, log2e, vsub(vset(SHIFTER), z)), z);
}

INLINE vf vsilu(vf u) { return vdiv(u, vadd(vset(1), vexpneg(u))); }

// vsiluslope is the derivative of u*sigmoid(u).
INLINE vf vsiluslope(vf u) {
	vf s = vdiv(vset(1), vadd(vset(1), vexpneg(u)));
	return vmul(s, vfma(u, vsub(vset(1), s), vset(1)));
}

#endif
