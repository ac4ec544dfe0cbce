#include "heads.h"

// See attention.go for the layouts and attention_portable.go for the twins.
struct attentionArgs {
	float *out;
	float *panel, *dpanel;     // [count][VW]
	float *top, *sum, *lse;    // [VW], or [count] in normalize; sum is scratch [2*VW] in addOuter
	const float *left, *right; // operands
	const float *d;            // [VW]
	int64_t ldo, ldl, ldr;     // distances between the rows of out, left, right
	int64_t count, dim, add;
};

INLINE void scoresOf(const struct attentionArgs *a, int add) {
	vf query[DIMS];
	FEW(d, DIMS) query[d] = vload(a->left + d * a->ldl);
	float *panel = a->panel;
	const float *key = a->right;
	vf top = vset(-0x1.fffffep127f);
	for (int64_t j = a->count; j > 0; j--, panel += VW, key += a->ldr) {
		vf score = dot(key, query);
		if (add)
			score = vadd(score, vload(panel));
		vstore(panel, score);
		top = vmax(top, score);
	}
	vstore(a->top, top);
}

KERNEL(scores, attentionArgs) {
	if (a->add)
		scoresOf(a, 1);
	else
		scoresOf(a, 0);
}

KERNEL(weigh, attentionArgs) {
	const vf top = vload(a->top);
	vf sum = vzero(), out[DIMS];
	FEW(d, DIMS) out[d] = vload(a->out + d * a->ldo);
	float *panel = a->panel;
	const float *value = a->right;
	for (int64_t j = a->count; j > 0; j--, panel += VW, value += a->ldr) {
		vf p = vexp2(vsub(vload(panel), top));
		sum = vadd(sum, p);
		vstore(panel, p);
		FEW(d, DIMS) out[d] = vfma(p, vsplat(value + d), out[d]);
	}
	FEW(d, DIMS) vstore(a->out + d * a->ldo, out[d]);
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

// addOuter's lanes are dims, not queries.
#if VW == 16
// Two keys share a vector: lanes 2d and 2d+1 are dim d of the one and the other.
// Their rows of the panel are joined query by query, so that a broadcast of 64
// bits brings both; pairAt is where query q's are.
#define pairAt(q) ((q) % 4 / 2 * VW + (2 * ((q) / 4) + (q) % 2) * 2)

INLINE vf broadcastPair(const float *p) {
	return _mm512_castpd_ps(_mm512_broadcastsd_pd(_mm_load_sd((const double *)p)));
}

INLINE void addOuterOf(const struct attentionArgs *a) {
	const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
	const __m512i join = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
	const __m512i part = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
	vf rows[VW];
	FEW(q, VW) rows[q] = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(a->right + q * a->ldr)));
	const float *panel = a->panel;
	float *to = a->out;
	for (int64_t j = a->count; j > 0; j -= 2, panel += 2 * VW, to += 2 * a->ldo) {
		vf sum[4];
		sum[0] = _mm512_castps256_ps512(_mm256_loadu_ps(to));
		if (j > 1)
			sum[0] = _mm512_insertf32x8(sum[0], _mm256_loadu_ps(to + a->ldo), 1);
		sum[0] = _mm512_permutexvar_ps(join, sum[0]);
		FEW(i, 3) sum[i + 1] = vzero();
		vf one = vload(panel), other = j > 1 ? vload(panel + VW) : vzero();
		vstore(a->sum, _mm512_unpacklo_ps(one, other));
		vstore(a->sum + VW, _mm512_unpackhi_ps(one, other));
		FEW(q, VW) sum[q % 4] = vfma(broadcastPair(a->sum + pairAt(q)), rows[q], sum[q % 4]);
		sum[0] = _mm512_permutexvar_ps(part, vadd(vadd(sum[0], sum[1]), vadd(sum[2], sum[3])));
		_mm256_storeu_ps(to, _mm512_castps512_ps256(sum[0]));
		if (j > 1)
			_mm256_storeu_ps(to + a->ldo, _mm512_extractf32x8_ps(sum[0], 1));
	}
}
#else
INLINE void addOuterOf(const struct attentionArgs *a) {
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
#endif

KERNEL(addOuter, attentionArgs) { addOuterOf(a); }

// See ../attention_backward.go.
struct gradientArgs {
	floats panel, dpanel, dqueries, queries, douts, keys, values, lse, d;
	int64_t ldc, ldr, count;
};

#if VW == 16
INLINE void gradientOf(const struct gradientArgs *a) {
	vf query[DIMS], dout[DIMS], dquery[DIMS];
	FEW(d, DIMS) query[d] = vload(a->queries.at + d * a->ldc);
	FEW(d, DIMS) dout[d] = vload(a->douts.at + d * a->ldc);
	FEW(d, DIMS) dquery[d] = vload(a->dqueries.at + d * a->ldc);
	const float *lse = a->lse.at, *mean = a->d.at, *key = a->keys.at, *value = a->values.at;
	float *panel = a->panel.at, *dpanel = a->dpanel.at;
	for (int64_t j = a->count; j > 0; j--, panel += VW, dpanel += VW, key += a->ldr, value += a->ldr) {
		vf p = vexp2(vsub(dot(key, query), vload(lse)));
		vstore(panel, p);
		vf ds = vmul(p, vsub(dot(value, dout), vload(mean)));
		vstore(dpanel, ds);
		FEW(d, DIMS) dquery[d] = vfma(ds, vsplat(key + d), dquery[d]);
		forget();
	}
	FEW(d, DIMS) vstore(a->dqueries.at + d * a->ldc, dquery[d]);
}
#else
// With 16 registers, one product after the other.
INLINE void gradientOf(const struct gradientArgs *a) {
	vf left[DIMS];
	FEW(d, DIMS) left[d] = vload(a->queries.at + d * a->ldc);
	for (int64_t j = 0; j < a->count; j++)
		vstore(a->panel.at + j * VW, dot(a->keys.at + j * a->ldr, left));
	FEW(d, DIMS) left[d] = vload(a->douts.at + d * a->ldc);
	for (int64_t j = 0; j < a->count; j++)
		vstore(a->dpanel.at + j * VW, dot(a->values.at + j * a->ldr, left));
	FEW(d, DIMS) left[d] = vload(a->dqueries.at + d * a->ldc);
	const float *key = a->keys.at;
	float *panel = a->panel.at, *dpanel = a->dpanel.at;
	for (int64_t j = a->count; j > 0; j--, panel += VW, dpanel += VW, key += a->ldr) {
		vf p = vexp2(vsub(vload(panel), vload(a->lse.at)));
		vstore(panel, p);
		p = vmul(p, vsub(vload(dpanel), vload(a->d.at)));
		vstore(dpanel, p);
		FEW(d, DIMS) left[d] = vfma(p, vsplat(key + d), left[d]);
	}
	FEW(d, DIMS) vstore(a->dqueries.at + d * a->ldc, left[d]);
}
#endif

KERNEL(gradient, gradientArgs) { gradientOf(a); }

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
