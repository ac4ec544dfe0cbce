// The micro-kernels of convolutions and linear layers in float32.
#include "lanes.h"

// ROWS is what the registers hold: 12 of 16 accumulators with AVX2. With
// AVX-512 the pointers to the rows run out before its 32 vectors do; 16 sums
// cover the latency of two multiply-adds a cycle.
#if VW == 16
#define ROWS 8
#else
#define ROWS 6
#endif

typedef vf cells;
INLINE cells cload(const float *p) { return vload(p); }
INLINE cells csplat(const float *p) { return vsplat(p); }
INLINE vf cadd(vf sum, cells x, cells y) { return vfma(x, y, sum); }

#include "tile.h"

KERNEL(multiply, multiplyArgs) { multiplyTiles(a); }

KERNEL(correlate, correlateArgs) { correlateTiles(a); }

KERNEL(peak, peakArgs) { peakOf(a); }

struct panelArgs {
	floats panel, sums, x;
	int64_t rows, stride, cols;
};

KERNEL(panel, panelArgs) {
	const float *x = a->x.at;
	float *to = a->panel.at;
	int64_t stride = a->stride;
	vf s0 = vload(a->sums.at), s1 = vload(a->sums.at + VW);
	if (a->cols == PANEL) {
		for (int64_t r = a->rows; r > 0; r--, x += stride, to += PANEL) {
			vf x0 = vload(x), x1 = vload(x + VW);
			vstore(to, x0);
			vstore(to + VW, x1);
			s0 = vadd(s0, x0);
			s1 = vadd(s1, x1);
		}
	} else {
		vm m0 = vmask(a->cols), m1 = vmask(a->cols - VW);
		for (int64_t r = a->rows; r > 0; r--, x += stride, to += PANEL) {
			vf x0 = vloadm(x, m0), x1 = vloadm(x + VW, m1);
			vstore(to, x0);
			vstore(to + VW, x1);
			s0 = vadd(s0, x0);
			s1 = vadd(s1, x1);
		}
	}
	vstore(a->sums.at, s0);
	vstore(a->sums.at + VW, s1);
}
