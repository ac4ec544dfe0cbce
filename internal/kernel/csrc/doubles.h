// Vectors of VD doubles: the counterpart of lanes.h in float64.
#ifndef DOUBLES_H
#define DOUBLES_H

#include "lanes.h"

#define VD (VW / 2)

// unroll spells out the loop below it.
#define unroll _Pragma("GCC unroll 16")

// keep holds a vector in a register that the compiler would else load twice.
#define keep(x) __asm__ volatile("" : "+v"(x))

INLINE void prefetch64(const double *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

#if VW == 8
typedef __m256d vd;
INLINE vd dload(const double *p) { return _mm256_loadu_pd(p); }
INLINE void dstore(double *p, vd x) { _mm256_storeu_pd(p, x); }
INLINE vd dsplat(const double *p) { return _mm256_broadcast_sd(p); }
INLINE vd dzero(void) { return _mm256_setzero_pd(); }
INLINE vd dmul(vd x, vd y) { return _mm256_mul_pd(x, y); }
INLINE vd dfma(vd x, vd y, vd z) { return _mm256_fmadd_pd(x, y, z); } // x*y + z
INLINE double dsum(vd x) {
	__m128d s = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
	return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
#elif VW == 16
typedef __m512d vd;
INLINE vd dload(const double *p) { return _mm512_loadu_pd(p); }
INLINE void dstore(double *p, vd x) { _mm512_storeu_pd(p, x); }
INLINE vd dsplat(const double *p) { return _mm512_set1_pd(*p); }
INLINE vd dzero(void) { return _mm512_setzero_pd(); }
INLINE vd dmul(vd x, vd y) { return _mm512_mul_pd(x, y); }
INLINE vd dfma(vd x, vd y, vd z) { return _mm512_fmadd_pd(x, y, z); }
INLINE double dsum(vd x) { return _mm512_reduce_add_pd(x); }
#endif

#endif
