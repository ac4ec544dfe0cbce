// Attention in bfloat16 by AMX, for heads of DIMS dims. Scores lie transposed: keys
// are rows and 16 queries are lanes. Operands are of all heads of an image, and
// what is of one lies so many cells apart. See ../amx_attention.go.
#include "amx.h"

#define DIMS 8
#define BLOCK (2 * TILE) // keys, or queries, of a whole tile of pairs

struct amxAttentionArgs {
	float *panel;           // [padded count][16] scores; in the gradient 2·[2·32][16], of 64 keys scores, then dP
	float *joined;          // 2·[16][16] pairs of keys: P, or dS in the gradient
	float *pairs;           // 2·[padded count][16] pairs of 32 queries: P and dS
	const float *keys;      // [padded count][DIMS/2] pairs of dims
	const float *values;    // the same, in the gradient
	const float *planes;    // [DIMS][padded count/2] pairs of keys of the values, in the gradient of the keys
	const float *queries;   // [DIMS/2][16·blocks] pairs of dims
	const float *douts;     // the same
	const float *qpairs;    // [8·blocks][DIMS] pairs of queries
	const float *dpairs;    // the same of do
	float *out;             // [DIMS][16·blocks] columns: o, or dq
	float *dkeys, *dvalues; // [padded count][DIMS]
	float *top, *sum;       // [16·blocks] highest scores and sums of powers; in the gradient -lse and Σ do·o
	int64_t ldrows, ldplanes, ldcolumns; // distances in cells; a row of pairs and of dkeys has 2·ldrows
	int64_t size;           // of one of pairs
	int64_t count, blocks;
	int64_t block;          // the kernel's own
};

// exp2bf16 is 2^t within 1e-4, a twentieth of what rounding to bfloat16 does: the
// minimax polynomial of 2^f, 0 <= f < 1, of degree 3, f being what t is above an integer.
INLINE vf exp2bf16(vf t) {
	vf f = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
	vf p = vfma(vset(0.0780245227f), f, vset(0.2260671554f));
	p = vfma(p, f, vset(0.6958335405f));
	return _mm512_scalef_ps(vfma(p, f, vset(0.9999252186f)), t);
}

// least is a score whose power is 0.
INLINE vf least(void) { return vset(-0x1p127f); }

// slot is the half of joined for the keys from j on: tiles are loaded from one while
// the other is written, for a load of what was stored just now would wait.
INLINE float *slot(const struct amxAttentionArgs *a, int64_t j) { return a->joined + j / BLOCK % 2 * (TILE * TILE); }

// leave gives the keys that fill up a last block of so many scores without weight.
INLINE void leave(float *panel, int64_t count) {
	for (int64_t k = count; k < BLOCK; k++) vstore(panel + TILE * k, least());
}

// Tiles of the forward pass: 0 and 1 scores, 2 o, 3 values, 4 and 5 keys, 6 queries, 7 P.
static const tiles forward __attribute__((aligned(64))) = {
	.palette = 1,
	.bytes = {LINE, LINE, LINE, LINE, 2 * DIMS, 2 * DIMS, LINE, LINE},
	.rows = {TILE, TILE, DIMS, DIMS, TILE, TILE, DIMS / 2, TILE},
};

// score writes the scores of the keys from j on.
INLINE void score(const struct amxAttentionArgs *a, int64_t j) {
	const float *keys = a->keys + j * a->ldrows;
	float *panel = a->panel + TILE * j;
	_tile_zero(0);
	_tile_loadd(4, keys, 4 * a->ldrows);
	_tile_dpbf16ps(0, 4, 6);
	_tile_stored(0, panel, LINE);
	_tile_zero(1);
	_tile_loadd(5, keys + TILE * a->ldrows, 4 * a->ldrows);
	_tile_dpbf16ps(1, 5, 6);
	_tile_stored(1, panel + TILE * TILE, LINE);
	forget();
}

// weigh adds the values of the keys from j on.
INLINE void weigh(const struct amxAttentionArgs *a, int64_t j) {
	_tile_loadd(3, a->planes + j / 2, 4 * a->ldplanes);
	_tile_loadd(7, slot(a, j), LINE);
	_tile_dpbf16ps(2, 3, 7);
}

// amxAttention is softmax of the scores times values, but for the division by sum.
// Tiles are multiplied a block of keys ahead of, and behind, the vectors' work.
KERNEL(amxAttention, amxAttentionArgs) {
	_tile_loadconfig(&forward);
	for (a->block = 0; a->block < a->blocks; a->block++) {
		_tile_loadd(6, a->queries + TILE * a->block, 4 * a->ldcolumns);
		score(a, 0);
		vf top = least(), other = top;
		for (int64_t j = 0; j < a->count; j += BLOCK) {
			if (j + BLOCK < a->count)
				score(a, j + BLOCK);
			else
				leave(a->panel + TILE * j, a->count - j);
			const float *panel = a->panel + TILE * j;
			for (const float *end = panel + TILE * BLOCK; panel < end; panel += 2 * TILE) {
				top = vmax(top, vload(panel));
				other = vmax(other, vload(panel + TILE));
			}
		}
		top = vmax(top, other);
		vstore(a->top + TILE * a->block, top);
		vf sum = vzero(), rest = vzero();
		_tile_zero(2);
		for (int64_t j = 0; j < a->count; j += BLOCK) {
			const float *panel = a->panel + TILE * j;
			float *joined = slot(a, j);
			for (const float *end = panel + TILE * BLOCK; panel < end; panel += 2 * TILE, joined += TILE) {
				vf p0 = exp2bf16(vsub(vload(panel), top)), p1 = exp2bf16(vsub(vload(panel + TILE), top));
				sum = vadd(sum, p0);
				rest = vadd(rest, p1);
				_mm512_storeu_si512(joined, lanePairs(narrowBoth(p0, p1)));
			}
			forget();
			if (j > 0) weigh(a, j - BLOCK);
		}
		weigh(a, (a->count - 1) / BLOCK * BLOCK);
		vstore(a->sum + TILE * a->block, vadd(sum, rest));
		_tile_stored(2, a->out + TILE * a->block, 4 * a->ldcolumns);
		forget();
	}
	_tile_release();
	_mm256_zeroupper();
}

// Tiles of the gradient: 0 scores, dP or the keys' planes, 1 do, 2 dS or P, 3 keys or
// values, 4 queries, 5 dq, 6 pairs of queries or do, 7 dk or dv. Of planes and dq the
// second half of the rows is the next head's, and lost.
static const tiles backward __attribute__((aligned(64))) = {
	.palette = 1,
	.bytes = {LINE, LINE, LINE, 2 * DIMS, LINE, LINE, 4 * DIMS, 4 * DIMS},
	.rows = {TILE, DIMS / 2, TILE, TILE, DIMS / 2, TILE, TILE, TILE},
};

// scoreBoth writes the scores, less lse, and dP of the keys from j on.
INLINE void scoreBoth(const struct amxAttentionArgs *a, int64_t j) {
	float *panel = a->panel + j % (2 * BLOCK) * TILE;
	for (const int64_t end = j + BLOCK; j < end; j += TILE, panel += TILE * TILE) {
		_tile_loadd(0, a->top + TILE * a->block, 0);
		_tile_loadd(3, a->keys + j * a->ldrows, 4 * a->ldrows);
		_tile_dpbf16ps(0, 3, 4);
		_tile_stored(0, panel, LINE);
		_tile_zero(0);
		_tile_loadd(3, a->values + j * a->ldrows, 4 * a->ldrows);
		_tile_dpbf16ps(0, 3, 1);
		_tile_stored(0, panel + 2 * BLOCK * TILE, LINE);
	}
	forget();
}

INLINE __m256i narrow(vf x) { return (__m256i)_mm512_cvtneps_pbh(x); }
INLINE void store16(float *p, __m256i x) { _mm256_storeu_si256((__m256i *)p, x); }

// weighKeys adds the keys from j on to dq.
INLINE void weighKeys(const struct amxAttentionArgs *a, int64_t j) {
	_tile_loadd(0, a->planes + j / 2, 4 * a->ldplanes);
	_tile_loadd(2, slot(a, j), LINE);
	_tile_dpbf16ps(5, 0, 2);
}

// differentiate turns the scores and dP of 16 queries into P and dS, and multiplies
// these by the keys.
INLINE void differentiate(const struct amxAttentionArgs *a) {
	scoreBoth(a, 0);
	_tile_zero(5);
	for (int64_t j = 0; j < a->count; j += BLOCK) {
		float *panel = a->panel + j % (2 * BLOCK) * TILE;
		if (j + BLOCK < a->count)
			scoreBoth(a, j + BLOCK);
		else
			leave(panel, a->count - j);
		const int64_t size = a->size;
		const vf mean = vload(a->sum + TILE * a->block);
		float *joined = slot(a, j), *pairs = a->pairs + TILE * j + a->block % 2 * (TILE / 2);
		for (const float *end = panel + TILE * BLOCK; panel < end; panel += 2 * TILE, joined += TILE, pairs += 2 * TILE) {
			const float *dpanel = panel + 2 * BLOCK * TILE;
			vf p0 = exp2bf16(vload(panel)), p1 = exp2bf16(vload(panel + TILE));
			vf ds0 = vmul(p0, vsub(vload(dpanel), mean)), ds1 = vmul(p1, vsub(vload(dpanel + TILE), mean));
			__m256i low = narrow(ds0), high = narrow(ds1);
			store16(pairs, narrow(p0));
			store16(pairs + TILE, narrow(p1));
			store16(pairs + size, low);
			store16(pairs + size + TILE, high);
			_mm512_storeu_si512(joined, lanePairs(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1)));
		}
		forget();
		if (j > 0) weighKeys(a, j - BLOCK);
	}
	weighKeys(a, (a->count - 1) / BLOCK * BLOCK);
	_tile_stored(5, a->joined, LINE);
	forget();
	float *out = a->out + TILE * a->block;
	const float *dq = a->joined;
	for (int d = 0; d < DIMS; d++, dq += TILE, out += a->ldcolumns) vstore(out, vload(dq));
	forget();
}

// amxAttentionGradient adds the shares of pairs of blocks of queries.
KERNEL(amxAttentionGradient, amxAttentionArgs) {
	_tile_loadconfig(&backward);
	for (a->block = 0; a->block < a->blocks; a->block++) {
		_tile_loadd(4, a->queries + TILE * a->block, 4 * a->ldcolumns);
		_tile_loadd(1, a->douts + TILE * a->block, 4 * a->ldcolumns);
		differentiate(a);
		if (a->block % 2 == 0) continue;
		int64_t apart = 8 * a->ldrows; // bytes
		_tile_loadd(6, a->dpairs + (a->block - 1) * TILE * a->ldrows, apart);
		for (int64_t j = 0; j < a->count; j += TILE) {
			_tile_loadd(7, a->dvalues + 2 * j * a->ldrows, apart);
			_tile_loadd(2, a->pairs + TILE * j, LINE);
			_tile_dpbf16ps(7, 2, 6);
			_tile_stored(7, a->dvalues + 2 * j * a->ldrows, apart);
		}
		_tile_loadd(6, a->qpairs + (a->block - 1) * TILE * a->ldrows, apart);
		for (int64_t j = 0; j < a->count; j += TILE) {
			_tile_loadd(7, a->dkeys + 2 * j * a->ldrows, apart);
			_tile_loadd(2, a->pairs + a->size + TILE * j, LINE);
			_tile_dpbf16ps(7, 2, 6);
			_tile_stored(7, a->dkeys + 2 * j * a->ldrows, apart);
		}
		forget();
	}
	_tile_release();
	_mm256_zeroupper();
}

struct dotArgs {
	float *out; // [n/DIMS][ldo]
	const float *a, *b; // [rows][n]
	int64_t rows, n, ldo;
};

// dotHeads writes Σ a·b of each row's heads.
KERNEL(dotHeads, dotArgs) {
	const float *x = a->a, *y = a->b;
	for (int64_t r = 0; r < a->rows; r++) {
		float *out = a->out + r;
		for (const float *end = x + a->n; x < end; x += DIMS, y += DIMS, out += a->ldo) {
			__m256 product = _mm256_mul_ps(_mm256_loadu_ps(x), _mm256_loadu_ps(y));
			__m128 sum = _mm_add_ps(_mm256_castps256_ps128(product), _mm256_extractf128_ps(product, 1));
			sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
			_mm_store_ss(out, _mm_add_ss(sum, _mm_movehdup_ps(sum)));
		}
	}
	_mm256_zeroupper();
}
