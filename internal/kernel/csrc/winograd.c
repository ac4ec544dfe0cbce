// The transforms of Winograd's F(4×4, 3×3), at the points 0, ±A, ±B and infinity.
// See ../winograd.go for the matrices. Each kernel runs over vectors of channels
// and transforms columns into scratch, then rows from there.
#include "exp.h"

#define A 0.70710678118654752f // sqrt(1/2)
#define B 1.41421356237309505f // sqrt(2)
#define NEAR (-2.0f / 3)       // what G's rows at ±A are multiplied by
#define FAR (-1.0f / 3)        // and those at ±B
#define TILE 6                 // a side of the input's tile
#define OUT 4                  // a side of the output's

#define unroll _Pragma("GCC unroll 16")

// inputLine is Bᵀ·x.
INLINE void inputLine(vf *x) {
	vf near = vnegfma(vset(2), x[2], x[4]), nearOdd = vnegfma(vset(2), x[1], x[3]);
	vf far = vnegfma(vset(0.5f), x[4], vmul(vset(0.25f), x[2])), farOdd = vnegfma(vset(0.5f), x[1], x[3]);
	x[0] = vnegfma(vset(2.5f), x[2], vadd(x[0], x[4]));
	x[5] = vnegfma(vset(2.5f), x[3], vadd(x[1], x[5]));
	x[1] = vfma(vset(A), nearOdd, near);
	x[2] = vnegfma(vset(A), nearOdd, near);
	x[3] = vnegfma(vset(B / 2), farOdd, far);
	x[4] = vfma(vset(B / 2), farOdd, far);
}

// outputLine is Aᵀ·m, of which four values count.
INLINE void outputLine(vf *m) {
	vf s1 = vadd(m[1], m[2]), d1 = vsub(m[1], m[2]), s2 = vadd(m[3], m[4]), d2 = vsub(m[3], m[4]);
	m[0] = vadd(m[0], vadd(s1, s2));
	m[1] = vfma(vset(A), d1, vmul(vset(B), d2));
	m[2] = vfma(vset(0.5f), s1, vadd(s2, s2));
	m[3] = vfma(vset(A / 2), d1, vfma(vset(2 * B), d2, m[5]));
}

// gradientLine is A·y, from four values.
INLINE void gradientLine(vf *y) {
	vf near = vfma(vset(0.5f), y[2], y[0]), nearOdd = vfma(vset(0.5f), y[3], y[1]);
	vf far = vfma(vset(2), y[2], y[0]), farOdd = vfma(vset(2), y[3], y[1]);
	y[5] = y[3];
	y[1] = vfma(vset(A), nearOdd, near);
	y[2] = vnegfma(vset(A), nearOdd, near);
	y[3] = vfma(vset(B), farOdd, far);
	y[4] = vnegfma(vset(B), farOdd, far);
}

// weightLine is G·w, from three values.
INLINE void weightLine(vf *w) {
	vf near = vmul(vset(NEAR), vfma(vset(0.5f), w[2], w[0])), far = vmul(vset(FAR), vfma(vset(2), w[2], w[0]));
	vf odd = w[1];
	w[5] = w[2];
	w[1] = vfma(vset(A * NEAR), odd, near);
	w[2] = vnegfma(vset(A * NEAR), odd, near);
	w[3] = vfma(vset(B * FAR), odd, far);
	w[4] = vnegfma(vset(B * FAR), odd, far);
}

// weightGradientLine is Gᵀ·u, of which three values count.
INLINE void weightGradientLine(vf *u) {
	vf s1 = vadd(u[1], u[2]), d1 = vsub(u[1], u[2]), s2 = vadd(u[3], u[4]), d2 = vsub(u[3], u[4]);
	u[0] = vfma(vset(NEAR), s1, vfma(vset(FAR), s2, u[0]));
	u[1] = vfma(vset(A * NEAR), d1, vmul(vset(B * FAR), d2));
	u[2] = vfma(vset(NEAR / 2), s1, vfma(vset(FAR * 2), s2, u[5]));
}

struct tileArgs {
	floats to, x, bias, from, scratch;
	int64_t n, plane, pitch, stride, rows, cols, panel, relu;
};

// inputStep writes the 36 values of each channel of a 6×6 tile.
INLINE void inputStep(const struct tileArgs *a, int64_t i, part w) {
	vf v[TILE];
	float *s = a->scratch.at;
	const float *x = a->x.at + i;
	for (int64_t col = 0; col < TILE; col++, x += a->stride, s += VW) {
		const float *at = x;
		unroll for (int row = 0; row < TILE; row++, at += a->pitch) v[row] = get(w, at);
		inputLine(v);
		unroll for (int row = 0; row < TILE; row++) vstore(s + row * TILE * VW, v[row]);
	}
	s = a->scratch.at;
	float *to = a->to.at + i;
	for (int64_t row = 0; row < TILE; row++, s += TILE * VW) {
		unroll for (int col = 0; col < TILE; col++) v[col] = vload(s + col * VW);
		inputLine(v);
		unroll for (int col = 0; col < TILE; col++, to += a->plane) put(w, to, v[col]);
	}
}

KERNEL(tileInput, tileArgs) { EACH(a->n, inputStep, a); }

// outputStep writes the 4×4 pixels that 36 values of each channel stand for.
INLINE void outputStep(const struct tileArgs *a, int64_t i, part w) {
	vf v[TILE];
	float *s = a->scratch.at;
	const float *x = a->x.at + i;
	for (int64_t col = 0; col < TILE; col++, x += a->plane, s += VW) {
		const float *at = x;
		unroll for (int row = 0; row < TILE; row++, at += TILE * a->plane) v[row] = get(w, at);
		outputLine(v);
		unroll for (int row = 0; row < OUT; row++) vstore(s + row * TILE * VW, v[row]);
	}
	s = a->scratch.at;
	int64_t at = i;
	for (int64_t row = 0; row < a->rows; row++, s += TILE * VW, at += a->pitch) {
		unroll for (int col = 0; col < TILE; col++) v[col] = vload(s + col * VW);
		outputLine(v);
		vf bias = get(w, a->bias.at + i);
		unroll for (int col = 0; col < OUT; col++) v[col] = vadd(v[col], bias);
		int64_t pixel = at;
		unroll for (int col = 0; col < OUT; col++, pixel += a->stride) {
			if (col >= a->cols)
				break;
			vf y = v[col];
			if (a->from.len)
				y = vadd(y, get(w, a->from.at + pixel));
			if (a->relu)
				y = vmax(vzero(), y);
			put(w, a->to.at + pixel, y);
		}
	}
}

KERNEL(tileOutput, tileArgs) { EACH(a->n, outputStep, a); }

// gradientStep writes the 36 values of each channel of a 4×4 tile of the
// output's gradient, into panels that are filled up with zeros.
INLINE void gradientStep(const struct tileArgs *a, int64_t i, part w) {
	vf v[TILE];
	float *s = a->scratch.at;
	const float *x = a->x.at + i;
	for (int64_t col = 0; col < OUT; col++, x += a->stride, s += VW) {
		const float *at = x;
		unroll for (int row = 0; row < OUT; row++, at += a->pitch) v[row] = get(w, at);
		gradientLine(v);
		unroll for (int row = 0; row < TILE; row++) vstore(s + row * TILE * VW, v[row]);
	}
	s = a->scratch.at;
	float *to = a->to.at + i / (2 * VW) * a->panel + (i & VW);
	for (int64_t row = 0; row < TILE; row++, s += TILE * VW) {
		unroll for (int col = 0; col < OUT; col++) v[col] = vload(s + col * VW);
		gradientLine(v);
		unroll for (int col = 0; col < TILE; col++, to += a->plane) vstore(to, v[col]);
	}
}

KERNEL(tileGradient, tileArgs) {
	EACH(a->n, gradientStep, a);
	if ((a->n - 1) & VW) // the last panel is whole
		return;
	float *to = a->to.at + (a->n - 1) / (2 * VW) * a->panel + VW;
	for (int64_t p = 0; p < TILE * TILE; p++, to += a->plane) vstore(to, vzero());
}

// weightStep writes the 36 values of weights whose 9 planes are pitch and
// stride apart.
INLINE void weightStep(const struct tileArgs *a, int64_t i, part w) {
	vf v[TILE];
	float *s = a->scratch.at;
	const float *x = a->x.at + i;
	for (int64_t col = 0; col < 3; col++, x += a->stride, s += VW) {
		const float *at = x;
		unroll for (int row = 0; row < 3; row++, at += a->pitch) v[row] = get(w, at);
		weightLine(v);
		unroll for (int row = 0; row < TILE; row++) vstore(s + row * TILE * VW, v[row]);
	}
	s = a->scratch.at;
	float *to = a->to.at + i;
	for (int64_t row = 0; row < TILE; row++, s += TILE * VW) {
		unroll for (int col = 0; col < 3; col++) v[col] = vload(s + col * VW);
		weightLine(v);
		unroll for (int col = 0; col < TILE; col++, to += a->plane) put(w, to, v[col]);
	}
}

KERNEL(tileWeights, tileArgs) { EACH(a->n, weightStep, a); }

// weightGradientStep adds to the 9 planes what 36 planes of their transform's
// gradient say.
INLINE void weightGradientStep(const struct tileArgs *a, int64_t i, part w) {
	vf v[TILE];
	float *s = a->scratch.at;
	const float *x = a->x.at + i;
	for (int64_t col = 0; col < TILE; col++, x += a->plane, s += VW) {
		const float *at = x;
		unroll for (int row = 0; row < TILE; row++, at += TILE * a->plane) v[row] = get(w, at);
		weightGradientLine(v);
		unroll for (int row = 0; row < 3; row++) vstore(s + row * TILE * VW, v[row]);
	}
	s = a->scratch.at;
	float *to = a->to.at + i;
	for (int64_t row = 0; row < 3; row++, s += TILE * VW, to += a->pitch) {
		unroll for (int col = 0; col < TILE; col++) v[col] = vload(s + col * VW);
		weightGradientLine(v);
		float *at = to;
		unroll for (int col = 0; col < 3; col++, at += a->stride) put(w, at, vadd(get(w, at), v[col]));
	}
}

KERNEL(tileWeightGradient, tileArgs) { EACH(a->n, weightGradientStep, a); }
