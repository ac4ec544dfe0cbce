// Vectors of VW floats, so that one source serves several instruction sets:
// -DVW=8 builds for AVX2 and FMA.
#ifndef LANES_H
#define LANES_H

#include <immintrin.h>
#include <stdint.h>

// KERNEL opens a function that the generator turns into Go assembly. Its only
// argument is a struct that has a twin of the same layout in Go: 8-byte
// pointers and int64s first, then 4-byte fields.
#define KERNEL(name, args) void name(const struct args *a)

#define INLINE static inline __attribute__((always_inline))

#if VW == 8
typedef __m256 vf;
typedef __m256i vi;
INLINE vf vload(const float *p) { return _mm256_loadu_ps(p); }
INLINE void vstore(float *p, vf x) { _mm256_storeu_ps(p, x); }
INLINE vf vsplat(const float *p) { return _mm256_broadcast_ss(p); }
INLINE vf vset(float x) { return _mm256_set1_ps(x); }
INLINE vf vzero(void) { return _mm256_setzero_ps(); }
INLINE vf vfma(vf x, vf y, vf z) { return _mm256_fmadd_ps(x, y, z); } // x*y + z
INLINE vf vadd(vf x, vf y) { return _mm256_add_ps(x, y); }
INLINE vf vsub(vf x, vf y) { return _mm256_sub_ps(x, y); }
INLINE vf vmul(vf x, vf y) { return _mm256_mul_ps(x, y); }

// vmask(n) selects the first n lanes: none for n <= 0, all for n >= VW.
typedef __m256i vm;
INLINE vm vmask(int64_t n) {
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n > VW ? VW : n < 0 ? 0 : n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf vloadm(const float *p, vm m) { return _mm256_maskload_ps(p, m); } // other lanes are 0
INLINE void vstorem(float *p, vm m, vf x) { _mm256_maskstore_ps(p, m, x); } // other lanes are left alone
#else
#error "no vectors of this width"
#endif

#endif
