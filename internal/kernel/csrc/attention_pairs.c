// Attention in bfloat16 where an instruction multiplies pairs: attention.c's
// kernels for heads of DIMS dims, with pairs of dims, keys or queries in a cell.
// See ../attention_pairs.go.
#include "bf16.h"
#include "heads.h"

#define PAIRS (DIMS / 2)

struct pairHeadArgs {
	floats panel;            // [count][VW] scores, dS in gradientPairs; P of two keys a row, joined, in outerPairs
	floats joined;           // P, joined, from gradientPairs
	floats top, lse, d;      // [VW]
	floats out;              // columns [DIMS], to be added to; rows [count][DIMS] in outerPairs
	floats queries;          // columns [DIMS/2] of pairs of dims
	floats keys;             // rows [count][DIMS/2] of pairs of dims
	floats zipped;           // rows [count/2][DIMS] of pairs of keys, or of queries in outerPairs
	floats douts, values;    // columns [DIMS], rows [count][DIMS], float32
	int64_t ldc, count;      // distance between columns' dims
};

// joinKeys puts the cells of lanes 2i and 2i+1 of both vectors side by side.
INLINE __m512i joinKeys(__m512i both) {
	const __m512i join = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
	return _mm512_permutexvar_epi32(join, both);
}

// dotPairs is dot of pairs of dims.
INLINE vf dotPairs(const float *key, const cells *query) {
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
		vf score = dotPairs(key, query);
		vstore(panel, score);
		top = vmax(top, score);
	}
	vstore(a->top.at, top);
}

KERNEL(gradientPairs, pairHeadArgs) {
	cells query[PAIRS];
	vf dout[DIMS], dquery[DIMS];
	FEW(d, PAIRS) query[d] = cload(a->queries.at + d * a->ldc);
	FEW(d, DIMS) dout[d] = vload(a->douts.at + d * a->ldc);
	FEW(d, DIMS) dquery[d] = vload(a->out.at + d * a->ldc);
	const float *lse = a->lse.at, *mean = a->d.at;
	const float *key = a->keys.at, *value = a->values.at, *pair = a->zipped.at;
	float *panel = a->panel.at, *joined = a->joined.at;
	for (int64_t j = a->count; j > 0; j -= 2) {
		vf p0 = vexp2(vsub(dotPairs(key, query), vload(lse))), p1 = vzero(), ds1 = vzero();
		vf ds0 = vmul(p0, vsub(dot(value, dout), vload(mean)));
		vstore(panel, ds0);
		if (j > 1) {
			p1 = vexp2(vsub(dotPairs(key + PAIRS, query), vload(lse)));
			ds1 = vmul(p1, vsub(dot(value + DIMS, dout), vload(mean)));
			vstore(panel + VW, ds1);
		}
		_mm512_storeu_si512(joined, joinKeys(narrowBoth(p0, p1)));
		cells ds = (cells)lanePairs(narrowBoth(ds0, ds1));
		FEW(d, DIMS) dquery[d] = cadd(dquery[d], csplat(pair + d), ds);
		key += 2 * PAIRS;
		value += 2 * DIMS;
		pair += DIMS;
		panel += 2 * VW;
		joined += VW;
		forget();
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
