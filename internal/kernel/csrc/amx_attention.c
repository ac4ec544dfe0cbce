// Attention in bfloat16 by AMX, for heads of DIMS dims. Scores lie transposed: keys
// are rows and 16 queries are lanes. Operands are of all heads of an image, and
// what is of one lies so many cells apart. See ../amx_attention.go.
#include "bf16.h"

#define DIMS 8
#define TILE 16
#define LINE 64          // bytes of a tile's row
#define BLOCK (2 * TILE) // keys, or queries, of a whole tile of pairs

typedef struct {
	uint8_t palette, start, reserved[14];
	uint16_t bytes[16];
	uint8_t rows[16];
} tiles;

struct amxAttentionArgs {
	float *panel;         // [padded count + 1][16] scores, then P in the gradient
	float *dpanel;        // the same of dP
	float *joined;        // [padded count/2][16] pairs of keys: P, or dS in the gradient
	float *pairs;         // 3·[padded count][16] pairs of 32 queries: P, and dS as the sum of two
	const float *keys;    // [padded count][DIMS/2] pairs of dims
	const float *values;  // the same; [DIMS][padded count/2] pairs of keys in the forward pass
	const float *planes;  // [DIMS][padded count/2] pairs of keys
	const float *queries; // [DIMS/2][16·blocks] pairs of dims
	const float *douts;   // the same
	const float *qpairs;  // [8·blocks][DIMS] pairs of queries
	const float *dpairs;  // the same of do
	float *out;           // [DIMS][16·blocks] columns: o, or dq
	float *dkeys, *dvalues; // [padded count][DIMS]
	float *top, *sum;     // [16·blocks]; in the gradient top is lse
	int64_t ldrows, ldplanes, ldcolumns; // distances in cells; a row of pairs and of dkeys has 2·ldrows
	int64_t size; // of one of pairs
	int64_t count, blocks;
	int64_t block; // the kernel's own
};

// exp2bf16 is 2^t for t <= 0 within 1e-4, a twentieth of what rounding to bfloat16
// does: the minimax polynomial of 2^f, |f| <= 1/2, of degree 3.
INLINE vf exp2bf16(vf t) {
	const vf shifter = vset(0x1.8p23f + 127);
	t = vmax(vset(-126), t);
	vf z = vadd(t, shifter), f = vsub(t, vsub(z, shifter));
	vf p = vfma(vset(0.0551716691f), f, vset(0.2426111222f));
	p = vfma(p, f, vset(0.6932609855f));
	p = vfma(p, f, vset(0.9999280735f));
	return vmul(p, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(z), 23)));
}

INLINE __m512i join(vf low, vf high) {
	const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
					     23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
	return _mm512_permutexvar_epi16(zip, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

// Tiles of the forward pass: 0 and 1 scores, 2 o, 3 values, 4 and 5 keys, 6 queries, 7 P.
static const tiles forward __attribute__((aligned(64))) = {
	.palette = 1,
	.bytes = {LINE, LINE, LINE, LINE, 2 * DIMS, 2 * DIMS, LINE, LINE},
	.rows = {TILE, TILE, DIMS, DIMS, TILE, TILE, DIMS / 2, TILE},
};

// amxAttention is softmax of the scores times values, but for the division by sum.
KERNEL(amxAttention, amxAttentionArgs) {
	_tile_loadconfig(&forward);
	for (int64_t block = 0; block < a->blocks; block++) {
		float *panel = a->panel;
		_tile_loadd(6, a->queries + TILE * block, 4 * a->ldcolumns);
		const float *keys = a->keys;
		for (int64_t j = a->count; j > 0; j -= BLOCK, panel += BLOCK * TILE, keys += BLOCK * a->ldrows) {
			_tile_zero(0);
			_tile_zero(1);
			_tile_loadd(4, keys, 4 * a->ldrows);
			_tile_loadd(5, keys + TILE * a->ldrows, 4 * a->ldrows);
			_tile_dpbf16ps(0, 4, 6);
			_tile_dpbf16ps(1, 5, 6);
			_tile_stored(0, panel, LINE);
			_tile_stored(1, panel + TILE * TILE, LINE);
		}
		forget();
		panel = a->panel;
		const vf least = vset(-0x1.fffffep127f);
		vf top = least, other = least;
		vstore(panel + a->count * TILE, least); // an odd one's neighbour
		for (int64_t j = a->count; j > 0; j -= 2, panel += 2 * TILE) {
			top = vmax(top, vload(panel));
			other = vmax(other, vload(panel + TILE));
		}
		top = vmax(top, other);
		vstore(a->top + TILE * block, top);
		panel = a->panel;
		float *joined = a->joined;
		vf sum = vzero(), rest = vzero();
		for (int64_t j = a->count; j > 0; j -= 2, panel += 2 * TILE, joined += TILE) {
			vf p0 = exp2bf16(vsub(vload(panel), top)), p1 = exp2bf16(vsub(vload(panel + TILE), top));
			sum = vadd(sum, p0);
			rest = vadd(rest, p1);
			_mm512_storeu_si512(joined, join(p0, p1));
		}
		for (const float *end = a->joined + (a->count + BLOCK - 1) / BLOCK * (TILE * TILE); joined < end; joined += TILE) vstore(joined, vzero());
		vstore(a->sum + TILE * block, vadd(sum, rest));
		forget();
		joined = a->joined;
		const float *planes = a->planes;
		_tile_zero(2);
		for (int64_t j = a->count; j > 0; j -= BLOCK, joined += TILE * TILE, planes += TILE) {
			_tile_loadd(3, planes, 4 * a->ldplanes);
			_tile_loadd(7, joined, LINE);
			_tile_dpbf16ps(2, 3, 7);
		}
		_tile_stored(2, a->out + TILE * block, 4 * a->ldcolumns);
		forget();
	}
	_tile_release();
	_mm256_zeroupper();
}

// Tiles of the gradient: first 0 scores, 1 dP, 4 keys, 5 values, 6 queries, 7 do; then
// 0 dq, 1 keys, 2 dS, 3 dv, 4 P or dS, 5 do, 6 queries, 7 dk.
static const tiles scoring __attribute__((aligned(64))) = {
	.palette = 1,
	.bytes = {LINE, LINE, 0, 0, 2 * DIMS, 2 * DIMS, LINE, LINE},
	.rows = {TILE, TILE, 0, 0, TILE, TILE, DIMS / 2, DIMS / 2},
};
static const tiles adding __attribute__((aligned(64))) = {
	.palette = 1,
	.bytes = {LINE, LINE, LINE, 4 * DIMS, LINE, 4 * DIMS, 4 * DIMS, 4 * DIMS},
	.rows = {DIMS, DIMS, TILE, TILE, TILE, TILE, TILE, TILE},
};

INLINE __m256i narrow(vf x) { return (__m256i)_mm512_cvtneps_pbh(x); }
INLINE vf widen(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
INLINE void store16(float *p, __m256i x) { _mm256_storeu_si256((__m256i *)p, x); }

// keep writes pairs of P, and of dS as the sum of two.
INLINE void keep(float *pairs, int64_t size, vf p, vf ds) {
	__m256i high = narrow(ds);
	store16(pairs, narrow(p));
	store16(pairs + size, high);
	store16(pairs + 2 * size, narrow(vsub(ds, widen(high))));
}

// differentiate turns the scores and dP of 16 queries into P and dS. A query's mean of
// dP is taken from these very values, so that its dS add up to 0: the gradient of the
// keys' bias is such a sum, and its true value 0. For the same reason dS is kept as
// the sum of two values of bfloat16 where it is added up over queries.
INLINE void differentiate(const struct amxAttentionArgs *a) {
	const vf lse = vload(a->top + TILE * a->block);
	float *panel = a->panel, *dpanel = a->dpanel;
	vf mean = vzero();
	for (int64_t j = a->count; j > 0; j--, panel += TILE, dpanel += TILE) {
		vf p = exp2bf16(vsub(vload(panel), lse));
		mean = vfma(p, vload(dpanel), mean);
		vstore(panel, p);
	}
	vstore(panel, vzero()); // an odd one's neighbour
	panel = a->panel;
	dpanel = a->dpanel;
	const int64_t size = a->size;
	float *joined = a->joined, *pairs = a->pairs + a->block % 2 * (TILE / 2);
	for (int64_t j = a->count; j > 0; j -= 2, panel += 2 * TILE, dpanel += 2 * TILE, joined += TILE, pairs += 2 * TILE) {
		vf p0 = vload(panel), p1 = vload(panel + TILE);
		vf ds0 = vmul(p0, vsub(vload(dpanel), mean)), ds1 = vmul(p1, vsub(vload(dpanel + TILE), mean));
		_mm512_storeu_si512(joined, join(ds0, ds1));
		keep(pairs, size, p0, ds0);
		keep(pairs + TILE, size, p1, ds1);
	}
	forget();
}

// amxAttentionGradient adds the shares of pairs of blocks of queries. Behind the last
// key joined and pairs are zero.
KERNEL(amxAttentionGradient, amxAttentionArgs) {
	for (a->block = 0; a->block < a->blocks; a->block++) {
		_tile_loadconfig(&scoring);
		_tile_loadd(6, a->queries + TILE * a->block, 4 * a->ldcolumns);
		_tile_loadd(7, a->douts + TILE * a->block, 4 * a->ldcolumns);
		float *panel = a->panel, *dpanel = a->dpanel;
		const float *keys = a->keys, *values = a->values;
		for (int64_t j = a->count; j > 0; j -= TILE, panel += TILE * TILE, dpanel += TILE * TILE) {
			_tile_zero(0);
			_tile_zero(1);
			_tile_loadd(4, keys, 4 * a->ldrows);
			_tile_loadd(5, values, 4 * a->ldrows);
			_tile_dpbf16ps(0, 4, 6);
			_tile_dpbf16ps(1, 5, 7);
			_tile_stored(0, panel, LINE);
			_tile_stored(1, dpanel, LINE);
			keys += TILE * a->ldrows;
			values += TILE * a->ldrows;
		}
		forget();
		differentiate(a);
		_tile_loadconfig(&adding);
		const float *joined = a->joined, *planes = a->planes;
		_tile_zero(0);
		for (int64_t j = a->count; j > 0; j -= BLOCK, joined += TILE * TILE, planes += TILE) {
			_tile_loadd(1, planes, 4 * a->ldplanes);
			_tile_loadd(2, joined, LINE);
			_tile_dpbf16ps(0, 1, 2);
		}
		_tile_stored(0, a->out + TILE * a->block, 4 * a->ldcolumns);
		forget();
		if (a->block % 2 == 0) continue;
		_tile_loadd(5, a->dpairs + (a->block - 1) * TILE * a->ldrows, 8 * a->ldrows);
		_tile_loadd(6, a->qpairs + (a->block - 1) * TILE * a->ldrows, 8 * a->ldrows);
		int64_t at = 0, row = 0, apart = 8 * a->ldrows; // bytes
		for (int64_t j = a->count; j > 0; j -= TILE, at += TILE * TILE, row += TILE * apart / 4) {
			_tile_loadd(3, a->dvalues + row, apart);
			_tile_loadd(7, a->dkeys + row, apart);
			_tile_loadd(4, a->pairs + at, LINE);
			_tile_dpbf16ps(3, 4, 5);
			_tile_stored(3, a->dvalues + row, apart);
			_tile_loadd(4, a->pairs + a->size + at, LINE);
			_tile_dpbf16ps(7, 4, 6);
			_tile_loadd(4, a->pairs + 2 * a->size + at, LINE);
			_tile_dpbf16ps(7, 4, 6);
			_tile_stored(7, a->dkeys + row, apart);
			forget();
		}
		forget();
	}
	_tile_release();
	_mm256_zeroupper();
}
