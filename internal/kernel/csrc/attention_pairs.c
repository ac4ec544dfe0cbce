// Attention in bfloat16 where an instruction multiplies pairs: attention.c's
// kernels for heads of DIMS dims, with pairs of dims, keys or queries in a cell.
// Softmax and all sums are float32. See ../attention_pairs.go.
#include "exp.h"

typedef __m512bh cells;
INLINE cells cload(const float *p) { return (cells)_mm512_loadu_si512(p); }
INLINE cells csplat(const float *p) { return (cells)_mm512_set1_epi32(*(const int32_t *)p); }
INLINE vf cadd(vf sum, cells x, cells y) { return _mm512_dpbf16_ps(sum, x, y); }

#define DIMS 8
#define PAIRS (DIMS / 2)

struct pairHeadArgs {
	floats panel, dpanel;        // scores [count][VW]; P and dS of two keys a row, joined, in gradientPairs and outerPairs
	floats top, sum, lse, d;     // [VW]
	floats out;                  // columns [DIMS], to be added to; rows [count][DIMS] in outerPairs
	floats queries, douts;       // columns [PAIRS] of pairs of dims
	floats keys, values;         // rows [count][PAIRS] of pairs of dims
	floats zipped;               // rows [count/2][DIMS] of pairs of keys, or of queries in outerPairs
	int64_t ldc, count;          // distance between columns' dims
};

// narrowBoth is two vectors as bfloat16, one behind the other.
INLINE __m512i narrowBoth(vf one, vf other) { return (__m512i)_mm512_cvtne2ps_pbh(other, one); }

// lanePairs makes cells of lane i of both vectors.
INLINE cells lanePairs(__m512i both) {
	const __m512i join = _mm512_set_epi16(
		31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
		23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	return (cells)_mm512_permutexvar_epi16(join, both);
}

// joinKeys puts the cells of lanes 2i and 2i+1 of both vectors side by side.
INLINE __m512i joinKeys(__m512i both) {
	const __m512i join = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
	return _mm512_permutexvar_epi32(join, both);
}

// dot is the scores of one key with VW queries.
INLINE vf dot(const float *key, const cells *query) {
	vf even = cadd(vzero(), csplat(key), query[0]), odd = cadd(vzero(), csplat(key + 1), query[1]);
	even = cadd(even, csplat(key + 2), query[2]);
	odd = cadd(odd, csplat(key + 3), query[3]);
	return vadd(even, odd);
}

KERNEL(scoresPairs, pairHeadArgs) {
	cells query[PAIRS];
	FEW(d, PAIRS) query[d] = cload(a->queries.at + d * a->ldc);
	float *panel = a->panel.at;
	const float *key = a->keys.at;
	vf top = vset(-0x1.fffffep127f);
	for (int64_t j = a->count; j > 0; j--, panel += VW, key += PAIRS) {
		vf score = dot(key, query);
		vstore(panel, score);
		top = vmax(top, score);
	}
	vstore(a->top.at, top);
}

KERNEL(weighPairs, pairHeadArgs) {
	const vf top = vload(a->top.at);
	vf sum = vzero(), out[DIMS];
	FEW(d, DIMS) out[d] = vload(a->out.at + d * a->ldc);
	const float *panel = a->panel.at, *value = a->zipped.at;
	for (int64_t j = a->count; j > 0; j -= 2, panel += 2 * VW, value += DIMS) {
		vf one = vexp2(vsub(vload(panel), top)), other = vzero();
		if (j > 1)
			other = vexp2(vsub(vload(panel + VW), top));
		sum = vadd(sum, vadd(one, other));
		cells p = lanePairs(narrowBoth(one, other));
		FEW(d, DIMS) out[d] = cadd(out[d], csplat(value + d), p);
	}
	FEW(d, DIMS) vstore(a->out.at + d * a->ldc, out[d]);
	vstore(a->sum.at, sum);
}

// gradientOf is P and dS of one key.
INLINE vf gradientOf(const float *key, const float *value, const cells *query, const cells *dout, vf lse, vf mean, vf *ds) {
	vf p = vexp2(vsub(dot(key, query), lse));
	*ds = vmul(p, vsub(dot(value, dout), mean));
	return p;
}

KERNEL(gradientPairs, pairHeadArgs) {
	cells query[PAIRS], dout[PAIRS];
	vf dquery[DIMS];
	FEW(d, PAIRS) query[d] = cload(a->queries.at + d * a->ldc);
	FEW(d, PAIRS) dout[d] = cload(a->douts.at + d * a->ldc);
	FEW(d, DIMS) dquery[d] = vload(a->out.at + d * a->ldc);
	const vf lse = vload(a->lse.at), mean = vload(a->d.at);
	const float *key = a->keys.at, *value = a->values.at, *pair = a->zipped.at;
	float *panel = a->panel.at, *dpanel = a->dpanel.at;
	for (int64_t j = a->count; j > 0; j -= 2) {
		vf ds0, ds1 = vzero(), p1 = vzero();
		vf p0 = gradientOf(key, value, query, dout, lse, mean, &ds0);
		if (j > 1)
			p1 = gradientOf(key + PAIRS, value + PAIRS, query, dout, lse, mean, &ds1);
		_mm512_storeu_si512(panel, joinKeys(narrowBoth(p0, p1)));
		__m512i ds = narrowBoth(ds0, ds1);
		_mm512_storeu_si512(dpanel, joinKeys(ds));
		cells p = lanePairs(ds);
		FEW(d, DIMS) dquery[d] = cadd(dquery[d], csplat(pair + d), p);
		key += 2 * PAIRS;
		value += 2 * PAIRS;
		pair += DIMS;
		panel += VW;
		dpanel += VW;
	}
	FEW(d, DIMS) vstore(a->out.at + d * a->ldc, dquery[d]);
}

// outerPairs adds panel·rows to rows of keys, two of which share a vector:
// lanes 2d and 2d+1 are dim d of the one and the other.
KERNEL(outerPairs, pairHeadArgs) {
	const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
	const __m512i join = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
	const __m512i part = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
	cells rows[VW / 2];
	FEW(q, VW / 2) {
		__m256i row = _mm256_loadu_si256((const __m256i *)(a->zipped.at + q * DIMS));
		rows[q] = (cells)_mm512_permutexvar_epi32(twice, _mm512_castsi256_si512(row));
	}
	const float *panel = a->panel.at;
	float *to = a->out.at;
	for (int64_t j = a->count; j > 0; j -= 2, panel += VW, to += 2 * DIMS) {
		vf even = _mm512_permutexvar_ps(join, vload(to)), odd = vzero();
		FEW(q, VW / 4) {
			cells one = (cells)_mm512_set1_epi64(*(const int64_t *)(panel + 4 * q));
			cells other = (cells)_mm512_set1_epi64(*(const int64_t *)(panel + 4 * q + 2));
			even = cadd(even, one, rows[2 * q]);
			odd = cadd(odd, other, rows[2 * q + 1]);
		}
		vstore(to, _mm512_permutexvar_ps(part, vadd(even, odd)));
	}
}

// zipRows makes cells of rows 2i and 2i+1 of DIMS values each, count rows in all.
KERNEL(zipRows, pairHeadArgs) {
	const __m256i join = _mm256_set_epi16(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0);
	const float *rows = a->values.at;
	float *to = a->zipped.at;
	for (int64_t j = a->count; j > 0; j -= 2, rows += 2 * DIMS, to += DIMS) {
		__m256i both = (__m256i)_mm512_cvtneps_pbh(vload(rows));
		_mm256_storeu_si256((__m256i *)to, _mm256_permutexvar_epi16(join, both));
	}
}
