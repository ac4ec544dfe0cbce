// Vectors of VW floats, so that one source serves several instruction sets:
// -DVW=8 builds for AVX2 and FMA, -DVW=16 for AVX-512.
#ifndef LANES_H
#define LANES_H

#include <immintrin.h>
#include <stdint.h>

// KERNEL opens a function that the generator turns into Go assembly. Its only
// argument is a struct that has a twin of the same layout in Go (a slice is
// three words: floats or ints; Go's int is int64_t).
#define KERNEL(name, args) void name(struct args *a)

// Go slices, as they lie in the argument structs.
typedef struct {
	float *at;
	int64_t len, cap;
} floats;
typedef struct {
	int32_t *at;
	int64_t len, cap;
} ints;

#define INLINE static inline __attribute__((always_inline))

// forget makes the compiler load anew what it would else keep in a register
// across a hot loop: there is no stack to spill to.
#define forget() __asm__ volatile("" ::: "memory")

// hide makes the compiler forget how an integer or a pointer was computed, so
// that it does not prepare sums and multiples of it ahead of a hot loop.
#define hide(x) __asm__ volatile("" : "+r"(x))

INLINE void prefetch(const float *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

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
INLINE vf vmax(vf x, vf y) { return _mm256_max_ps(x, y); } // y if either is NaN
INLINE vf vmul(vf x, vf y) { return _mm256_mul_ps(x, y); }

// vmask(n) selects the first n lanes: none for n <= 0, all for n >= VW.
typedef __m256i vm;
static const int32_t lanes[2 * VW] = {-1, -1, -1, -1, -1, -1, -1, -1};
INLINE vm vmask(int64_t n) {
	n = n < 0 ? 0 : n > VW ? VW : n;
	return _mm256_loadu_si256((const __m256i *)(lanes + VW - n));
}
INLINE vf vloadm(const float *p, vm m) { return _mm256_maskload_ps(p, m); } // other lanes are 0
INLINE void vstorem(float *p, vm m, vf x) { _mm256_maskstore_ps(p, m, x); } // other lanes are left alone
#elif VW == 16
typedef __m512 vf;
typedef __m512i vi;
INLINE vf vload(const float *p) { return _mm512_loadu_ps(p); }
INLINE void vstore(float *p, vf x) { _mm512_storeu_ps(p, x); }
INLINE vf vsplat(const float *p) { return _mm512_set1_ps(*p); }
INLINE vf vset(float x) { return _mm512_set1_ps(x); }
INLINE vf vzero(void) { return _mm512_setzero_ps(); }
INLINE vf vfma(vf x, vf y, vf z) { return _mm512_fmadd_ps(x, y, z); }
INLINE vf vadd(vf x, vf y) { return _mm512_add_ps(x, y); }
INLINE vf vsub(vf x, vf y) { return _mm512_sub_ps(x, y); }
INLINE vf vmax(vf x, vf y) { return _mm512_max_ps(x, y); }
INLINE vf vmul(vf x, vf y) { return _mm512_mul_ps(x, y); }

typedef __mmask16 vm;
INLINE vm vmask(int64_t n) {
	n = n < 0 ? 0 : n > VW ? VW : n;
	return (vm)((1u << n) - 1);
}
INLINE vf vloadm(const float *p, vm m) { return _mm512_maskz_loadu_ps(m, p); }
INLINE void vstorem(float *p, vm m, vf x) { _mm512_mask_storeu_ps(p, m, x); }
#else
#error "no vectors of this width"
#endif

#endif
