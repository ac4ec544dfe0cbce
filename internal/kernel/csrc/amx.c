// The micro-kernels of convolutions and linear layers in bfloat16 by AMX, whose
// registers are tiles of 16 rows of 16 cells: one instruction multiplies two of
// them and adds to a third of sums in float32. A kernel configures the tiles, which
// are the thread's, and gives them back. See ../amx.go for what is computed.
#include "amx.h"

#define PANEL (2 * TILE) // columns of two tiles

#define unroll _Pragma("GCC unroll 16")

// whole are eight tiles of 16 rows of 64 bytes.
static const tiles whole __attribute__((aligned(64))) = {
	.palette = 1,
	.bytes = {LINE, LINE, LINE, LINE, LINE, LINE, LINE, LINE},
	.rows = {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE},
};

// Tiles 0 to 3 are sums of 2×2 blocks, 4 and 5 two blocks of rows, 6 and 7 of columns.

INLINE void add1x2(void) {
	_tile_dpbf16ps(0, 4, 6);
	_tile_dpbf16ps(1, 4, 7);
}

INLINE void add2x2(void) {
	add1x2();
	_tile_dpbf16ps(2, 5, 6);
	_tile_dpbf16ps(3, 5, 7);
}

// store writes the sums to rows so many bytes apart.
INLINE void store(float *to, int64_t apart, const int tall) {
	_tile_stored(0, to, apart);
	_tile_stored(1, to + TILE, apart);
	if (tall) {
		_tile_stored(2, (char *)to + TILE * apart, apart);
		_tile_stored(3, (char *)(to + TILE) + TILE * apart, apart);
	}
}

struct amxProductArgs {
	floats x, b, bias, from, y;
	ints xat, yat, segments;
	int64_t length, cols, relu;
	float *scratch; // sums, gathered rows, their offsets
	int64_t row;    // the kernel's own, as what follows
	int64_t apart0, apart1, distance;
	const int32_t *at;
};

// apart is the distance of 16 offsets, or 0 if it varies.
INLINE int64_t apart(const int32_t *at) {
	int64_t d = at[1] - at[0];
	const __m512i count = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	__m512i even = _mm512_add_epi32(_mm512_set1_epi32(at[0]), _mm512_mullo_epi32(count, _mm512_set1_epi32((int32_t)d)));
	return _mm512_cmpneq_epi32_mask(even, _mm512_loadu_si512(at)) ? 0 : d;
}

// pad copies up to 16 offsets, of which n are there, and the last one again.
INLINE void pad(int32_t *to, const int32_t *at, int64_t n) {
	__m512i last = _mm512_set1_epi32(at[n < TILE ? n - 1 : TILE - 1]);
	_mm512_storeu_si512(to, _mm512_mask_loadu_epi32(last, vmask(n), at));
}

// gather copies a tile's rows together.
INLINE void gather(float *to, const float *x, const int32_t *at) {
	forget();
	unroll for (int r = 0; r < TILE; r++) vstore(to + r * TILE, vload(x + at[r]));
	forget();
}

INLINE void begin(const struct amxProductArgs *a, const int tall) {
	if (!a->bias.len) {
		_tile_zero(0);
		_tile_zero(1);
		if (tall) {
			_tile_zero(2);
			_tile_zero(3);
		}
		return;
	}
	_tile_loadd(0, a->bias.at, 0);
	_tile_loadd(1, a->bias.at + TILE, 0);
	if (tall) {
		_tile_loadd(2, a->bias.at, 0);
		_tile_loadd(3, a->bias.at + TILE, 0);
	}
}

// product leaves in the tiles the sums of 16 or 32 rows, which lie evenly or not.
INLINE void product(const struct amxProductArgs *a, const int tall, const int even) {
	begin(a, tall);
	forget();
	const float *b = a->b.at;
	float *rows = a->scratch + 2 * TILE * PANEL;
	for (int64_t s = 0; s < a->segments.len; s++) {
		const float *k = a->x.at + a->segments.at[s] + (even ? a->at[0] : 0);
		for (const float *end = k + a->length; k < end; k += TILE, b += TILE * PANEL) {
			if (even) {
				_tile_loadd(4, k, a->apart0);
			} else {
				gather(rows, k, a->at);
				_tile_loadd(4, rows, LINE);
			}
			_tile_loadd(6, b, 2 * LINE);
			_tile_loadd(7, b + TILE, 2 * LINE);
			if (!tall) {
				add1x2();
				continue;
			}
			if (even) {
				_tile_loadd(5, k + a->distance, a->apart1);
			} else {
				gather(rows + TILE * TILE, k, a->at + TILE);
				_tile_loadd(5, rows + TILE * TILE, LINE);
			}
			add2x2();
		}
		forget();
	}
}

// finish writes the rows that are there from the tiles.
INLINE void finish(const struct amxProductArgs *a, const int tall) {
	store(a->scratch, 2 * LINE, tall);
	forget();
	int64_t n = a->xat.len - a->row;
	n = n < 2 * TILE ? n : 2 * TILE;
	const int32_t *yat = a->yat.at + a->row;
	const float *sum = a->scratch;
	vm m0 = vmask(a->cols), m1 = vmask(a->cols - VW);
	vf floor = vset(a->relu ? 0 : -__builtin_inff());
	for (int64_t r = 0; r < n; r++, sum += PANEL) {
		if (yat[r] < 0) continue;
		vf s0 = vload(sum), s1 = vload(sum + VW);
		if (a->from.len) {
			const float *from = a->from.at + yat[r];
			s0 = vadd(s0, vloadm(from, m0));
			s1 = vadd(s1, vloadm(from + VW, m1));
		}
		float *y = a->y.at + yat[r];
		vstorem(y, m0, vmax(floor, s0));
		vstorem(y + VW, m1, vmax(floor, s1));
	}
	forget();
}

KERNEL(amxProduct, amxProductArgs) {
	_tile_loadconfig(&whole);
	for (a->row = 0; a->row < a->xat.len; a->row += 2 * TILE) {
		int64_t left = a->xat.len - a->row;
		a->at = a->xat.at + a->row;
		if (left >= 2 * TILE && (a->apart0 = 4 * apart(a->at)) && (a->apart1 = 4 * apart(a->at + TILE))) {
			a->distance = a->at[TILE] - a->at[0];
			product(a, 1, 1);
			const int32_t *yat = a->yat.at + a->row;
			int64_t apart0, apart1;
			if (!a->from.len && !a->relu && a->cols == PANEL && (apart0 = 4 * apart(yat)) && (apart1 = 4 * apart(yat + TILE))) {
				_tile_stored(0, a->y.at + yat[0], apart0);
				_tile_stored(1, a->y.at + yat[0] + TILE, apart0);
				_tile_stored(2, a->y.at + yat[TILE], apart1);
				_tile_stored(3, a->y.at + yat[TILE] + TILE, apart1);
			} else {
				finish(a, 1);
			}
			continue;
		}
		if (left == TILE && (a->apart0 = 4 * apart(a->at))) {
			product(a, 0, 1);
			finish(a, 0);
			continue;
		}
		int32_t *padded = (int32_t *)(a->scratch + 2 * TILE * (PANEL + TILE));
		pad(padded, a->at, left);
		a->at = padded;
		if (left > TILE) {
			pad(padded + TILE, a->xat.at + a->row + TILE, left - TILE);
			product(a, 1, 0);
			finish(a, 1);
		} else {
			product(a, 0, 0);
			finish(a, 0);
		}
	}
	_tile_release();
	_mm256_zeroupper();
}

struct amxGradientArgs {
	floats x; // planes of half cells
	floats dy, dw;
	ints at, taps;
	int64_t plane; // cells
	int64_t rows, stride, cols, size;
	float *scratch;
	float *sum; // the kernel's own, as what follows
	const char *from;
	int64_t row, tap, apart;
};

// correlate adds the products of 16 or 32 rows to the sums.
INLINE void correlate(const struct amxGradientArgs *a, const int tall) {
	int64_t apart = a->apart;
	float *sum = a->sum;
	_tile_loadd(0, sum, apart);
	_tile_loadd(1, sum + TILE, apart);
	if (tall) {
		_tile_loadd(2, (char *)sum + TILE * apart, apart);
		_tile_loadd(3, (char *)(sum + TILE) + TILE * apart, apart);
	}
	forget();
	const float *dy = a->dy.at;
	int64_t plane = 4 * a->plane;
	for (int64_t k = 0; k < a->at.len; k++, dy += TILE * PANEL) {
		const char *x = a->from + 2 * (int64_t)a->at.at[k];
		_tile_loadd(4, x, plane);
		_tile_loadd(6, dy, 2 * LINE);
		_tile_loadd(7, dy + TILE, 2 * LINE);
		if (tall) {
			_tile_loadd(5, x + TILE * plane, plane);
			add2x2();
		} else {
			add1x2();
		}
	}
	forget();
	store(a->sum, a->apart, tall);
	forget();
}

// copyBlock copies n rows of a block, part by part, from or to where they lie apart.
INLINE void copyBlock(float *to, int64_t ldt, const float *from, int64_t ldf, int64_t n, vm m0, vm m1) {
	for (int64_t r = 0; r < n; r++, to += ldt, from += ldf) {
		vstorem(to, m0, vloadm(from, m0));
		vstorem(to + VW, m1, vloadm(from + VW, m1));
	}
	forget();
}

KERNEL(amxGradient, amxGradientArgs) {
	_tile_loadconfig(&whole);
	for (a->row = 0; a->row < a->rows; a->row += 2 * TILE) {
		for (a->tap = 0; a->tap < a->taps.len; a->tap++) {
			int64_t n = a->rows - a->row;
			float *dw = a->dw.at + a->tap * a->size + a->row * a->stride;
			a->from = (const char *)a->x.at + 2 * (int64_t)a->taps.at[a->tap] + 4 * a->row * a->plane;
			if (a->cols == PANEL && (n >= 2 * TILE || n == TILE)) {
				a->sum = dw;
				a->apart = 4 * a->stride;
				if (n == TILE)
					correlate(a, 0);
				else
					correlate(a, 1);
				continue;
			}
			n = n < 2 * TILE ? n : 2 * TILE;
			a->sum = a->scratch;
			a->apart = 2 * LINE;
			copyBlock(a->sum, PANEL, dw, a->stride, n, vmask(a->cols), vmask(a->cols - VW));
			if (n > TILE)
				correlate(a, 1);
			else
				correlate(a, 0);
			dw = a->dw.at + a->tap * a->size + a->row * a->stride;
			n = a->rows - a->row;
			n = n < 2 * TILE ? n : 2 * TILE;
			copyBlock(dw, a->stride, a->sum, PANEL, n, vmask(a->cols), vmask(a->cols - VW));
		}
	}
	_tile_release();
	_mm256_zeroupper();
}

struct amxPeakArgs {
	int64_t rounds; // of four products of tiles
};

KERNEL(amxPeak, amxPeakArgs) {
	_tile_loadconfig(&whole);
	for (int64_t r = a->rounds; r > 0; r--) add2x2();
	_tile_release();
}
