#include "exp.h"

// See attention.go for the layouts and attention_portable.go for the twins.
struct attentionArgs {
	float *out;
	float *panel, *dpanel;     // [count][VW]
	float *top, *sum, *lse;    // [VW], or [count] in normalize
	const float *left, *right; // operands
	const float *d;            // [VW]
	int64_t ldo, ldl, ldr;     // distances between the rows of out, left, right
	int64_t count, dim, add;
};

#define DIMS 8 // dims that a call treats

INLINE void scoresOf(const struct attentionArgs *a, int add) {
	vf query[DIMS];
	FEW(d, DIMS) query[d] = vload(a->left + d * a->ldl);
	float *panel = a->panel;
	const float *key = a->right;
	for (int64_t j = a->count; j > 0; j--, panel += VW, key += a->ldr) {
		vf even = vmul(vsplat(key), query[0]), odd = vmul(vsplat(key + 1), query[1]);
		if (add)
			even = vfma(vsplat(key), query[0], vload(panel));
		FEW(d, DIMS / 2 - 1) {
			even = vfma(vsplat(key + 2 * d + 2), query[2 * d + 2], even);
			odd = vfma(vsplat(key + 2 * d + 3), query[2 * d + 3], odd);
		}
		vstore(panel, vadd(even, odd));
	}
}

KERNEL(scores, attentionArgs) {
	if (a->add)
		scoresOf(a, 1);
	else
		scoresOf(a, 0);
}

KERNEL(powers, attentionArgs) {
	float *panel = a->panel;
	vf top = vload(panel), sum = vzero();
	for (int64_t j = a->count; j > 0; j--, panel += VW)
		top = vmax(top, vload(panel));
	panel = a->panel;
	for (int64_t j = a->count; j > 0; j--, panel += VW) {
		vf p = vexp2(vsub(vload(panel), top));
		vstore(panel, p);
		sum = vadd(sum, p);
	}
	vstore(a->top, top);
	vstore(a->sum, sum);
}

KERNEL(softmaxGrad, attentionArgs) {
	const vf lse = vload(a->lse), mean = vload(a->d);
	float *panel = a->panel, *dpanel = a->dpanel;
	for (int64_t j = a->count; j > 0; j--, panel += VW, dpanel += VW) {
		vf p = vexp2(vsub(vload(panel), lse));
		vstore(panel, p);
		vstore(dpanel, vmul(p, vsub(vload(dpanel), mean)));
	}
}

KERNEL(addValues, attentionArgs) {
	vf out[DIMS];
	FEW(d, DIMS) out[d] = vload(a->out + d * a->ldo);
	const float *panel = a->panel, *value = a->right;
	for (int64_t j = a->count; j > 0; j--, panel += VW, value += a->ldr) {
		vf p = vload(panel);
		FEW(d, DIMS) out[d] = vfma(p, vsplat(value + d), out[d]);
	}
	FEW(d, DIMS) vstore(a->out + d * a->ldo, out[d]);
}

// addOuter's lanes are dims, not queries: DIMS, so vectors of 8 for all sets.
KERNEL(addOuter, attentionArgs) {
	__m256 rows[VW];
	FEW(q, VW) rows[q] = _mm256_loadu_ps(a->right + q * a->ldr);
	const float *panel = a->panel;
	float *to = a->out;
	for (int64_t j = a->count; j > 0; j--, panel += VW, to += a->ldo) {
		__m256 even = _mm256_loadu_ps(to), odd = _mm256_mul_ps(_mm256_broadcast_ss(panel + 1), rows[1]);
		even = _mm256_fmadd_ps(_mm256_broadcast_ss(panel), rows[0], even);
		FEW(q, VW / 2 - 1) {
			even = _mm256_fmadd_ps(_mm256_broadcast_ss(panel + 2 * q + 2), rows[2 * q + 2], even);
			odd = _mm256_fmadd_ps(_mm256_broadcast_ss(panel + 2 * q + 3), rows[2 * q + 3], odd);
		}
		_mm256_storeu_ps(to, _mm256_add_ps(even, odd));
	}
}

#if VW == 8
INLINE vi vbits(vf x) { return _mm256_castps_si256(x); }
INLINE vf ibits(vi x) { return _mm256_castsi256_ps(x); }
INLINE vf ifloat(vi x) { return _mm256_cvtepi32_ps(x); }
INLINE vi iset(int32_t x) { return _mm256_set1_epi32(x); }
INLINE vi iadd(vi x, vi y) { return _mm256_add_epi32(x, y); }
INLINE vi isub(vi x, vi y) { return _mm256_sub_epi32(x, y); }
INLINE vi iand(vi x, vi y) { return _mm256_and_si256(x, y); }
INLINE vi isra(vi x, int n) { return _mm256_srai_epi32(x, n); }
#elif VW == 16
INLINE vi vbits(vf x) { return _mm512_castps_si512(x); }
INLINE vf ibits(vi x) { return _mm512_castsi512_ps(x); }
INLINE vf ifloat(vi x) { return _mm512_cvtepi32_ps(x); }
INLINE vi iset(int32_t x) { return _mm512_set1_epi32(x); }
INLINE vi iadd(vi x, vi y) { return _mm512_add_epi32(x, y); }
INLINE vi isub(vi x, vi y) { return _mm512_sub_epi32(x, y); }
INLINE vi iand(vi x, vi y) { return _mm512_and_si512(x, y); }
INLINE vi isra(vi x, int n) { return _mm512_srai_epi32(x, n); }
#endif

// vlog2 is log2(x) of a positive normal x; NaN gives NaN. With x = 2^e*m and
// s = (m-1)/(m+1), log(m) = 2*(s + s^3/3 + s^5/5 + ...); |s| < 0.172.
INLINE vf vlog2(vf x) {
	vi bits = isub(vbits(x), iset(0x3f3504f3)); // sqrt(1/2), the least m
	vf e = ifloat(isra(bits, 23));
	vf m = ibits(iadd(iand(bits, iset(0x7fffff)), iset(0x3f3504f3)));
	vf s = vdiv(vsub(m, vset(1)), vadd(m, vset(1))), t = vmul(s, s);
	const float log2e = 1.44269504088896341f;
	vf p = vset(2 * log2e / 9);
	p = vfma(p, t, vset(2 * log2e / 7));
	p = vfma(p, t, vset(2 * log2e / 5));
	p = vfma(p, t, vset(2 * log2e / 3));
	p = vfma(p, t, vset(2 * log2e));
	return vfma(x, vzero(), vfma(p, s, e));
}

KERNEL(normalize, attentionArgs) {
	for (int64_t t = 0; t < a->count; t += VW) {
		vf sum = vload(a->sum + t);
		vstore(a->lse + t, vmul(vset(0.693147180559945309f), vadd(vload(a->top + t), vlog2(sum))));
		vf scale = vdiv(vset(1), sum);
		float *out = a->out + t;
		for (int64_t d = a->dim; d > 0; d--, out += a->ldo)
			vstore(out, vmul(vload(out), scale));
	}
}

KERNEL(dotColumns, attentionArgs) {
	for (int64_t t = 0; t < a->count; t += VW) {
		const float *x = a->left + t, *y = a->right + t;
		vf sum = vzero();
		for (int64_t d = a->dim; d > 0; d--, x += a->ldl, y += a->ldr)
			sum = vfma(vload(x), vload(y), sum);
		vstore(a->out + t, sum);
	}
}
