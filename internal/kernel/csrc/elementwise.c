#include "exp.h"

struct unaryArgs {
	float *y;
	const float *x;
	int64_t n;
};

INLINE void siluStep(const struct unaryArgs *a, int64_t i, part w) { put(w, a->y + i, vsilu(get(w, a->x + i))); }

KERNEL(silu, unaryArgs) { EACH(a->n, siluStep, a); }

struct binaryArgs {
	float *z;
	const float *x, *y;
	int64_t n;
};

INLINE void siluBackwardStep(const struct binaryArgs *a, int64_t i, part w) {
	put(w, a->z + i, vmul(get(w, a->x + i), vsiluslope(get(w, a->y + i))));
}

KERNEL(siluBackward, binaryArgs) { EACH(a->n, siluBackwardStep, a); }

INLINE void addStep(const struct binaryArgs *a, int64_t i, part w) {
	put(w, a->z + i, vadd(get(w, a->x + i), get(w, a->y + i)));
}

KERNEL(add, binaryArgs) { EACH(a->n, addStep, a); }

INLINE void maximumStep(const struct binaryArgs *a, int64_t i, part w) {
	put(w, a->z + i, vmax(get(w, a->x + i), get(w, a->y + i)));
}

KERNEL(maximum, binaryArgs) { EACH(a->n, maximumStep, a); }

struct leakyArgs {
	float *z;
	const float *x, *y; // y only in the gradient
	int64_t n;
	float slope, shift; // slope is at most 1
};

INLINE void leakyStep(const struct leakyArgs *a, int64_t i, part w) {
	vf x = get(w, a->x + i);
	put(w, a->z + i, vadd(vmax(x, vmul(vset(a->slope), x)), vset(a->shift)));
}

KERNEL(leaky, leakyArgs) { EACH(a->n, leakyStep, a); }

// y tells the side of the bend: it is x's, moved by shift.
INLINE void leakyBackwardStep(const struct leakyArgs *a, int64_t i, part w) {
	vf dy = get(w, a->x + i);
	put(w, a->z + i, vabove(get(w, a->y + i), vset(a->shift), dy, vmul(vset(a->slope), dy)));
}

KERNEL(leakyBackward, leakyArgs) { EACH(a->n, leakyBackwardStep, a); }

struct combineArgs {
	float *dst;
	const float *x, *y, *z; // z may be null
	int64_t n;
	float a, b, c;
};

INLINE void combineStep(const struct combineArgs *a, int64_t i, part w) {
	vf sum = vfma(vset(a->b), get(w, a->y + i), vmul(vset(a->a), get(w, a->x + i)));
	put(w, a->dst + i, sum);
}

KERNEL(combine, combineArgs) { EACH(a->n, combineStep, a); }

INLINE void combine3Step(const struct combineArgs *a, int64_t i, part w) {
	vf sum = vfma(vset(a->b), get(w, a->y + i), vmul(vset(a->a), get(w, a->x + i)));
	put(w, a->dst + i, vfma(vset(a->c), get(w, a->z + i), sum));
}

KERNEL(combine3, combineArgs) { EACH(a->n, combine3Step, a); }

struct sumArgs {
	double *lanes; // VW partial sums, which the caller adds
	float *dy;     // squaredError only; may be null
	const float *x, *y;
	int64_t n;
	float scale2;
};

// addSquares adds x*x to the sums of the low and the high half of the lanes.
INLINE void addSquares(vd *low, vd *high, vf x) {
	*low = dfma(dlow(x), dlow(x), *low);
	*high = dfma(dhigh(x), dhigh(x), *high);
}

INLINE void sumSquaresStep(const struct sumArgs *a, vd *low, vd *high, int64_t i, part w) {
	addSquares(low, high, get(w, a->x + i));
}

KERNEL(sumSquares, sumArgs) {
	vd low = dzero(), high = dzero();
	EACH(a->n, sumSquaresStep, a, &low, &high);
	dstore(a->lanes, low);
	dstore(a->lanes + VW / 2, high);
}

INLINE void squaredErrorStep(const struct sumArgs *a, int slope, vd *low, vd *high, int64_t i, part w) {
	vf e = vsub(get(w, a->x + i), get(w, a->y + i));
	addSquares(low, high, e);
	if (slope)
		put(w, a->dy + i, vmul(vset(a->scale2), e));
}

KERNEL(squaredError, sumArgs) {
	vd low = dzero(), high = dzero();
	if (a->dy)
		EACH(a->n, squaredErrorStep, a, 1, &low, &high);
	else
		EACH(a->n, squaredErrorStep, a, 0, &low, &high);
	dstore(a->lanes, low);
	dstore(a->lanes + VW / 2, high);
}

struct finiteArgs {
	float *lanes; // VW values, 0 where all x of that lane are finite, else NaN
	const float *x;
	int64_t n;
};

// 0*x is 0 for finite x and NaN otherwise.
INLINE void allFiniteStep(const struct finiteArgs *a, vf *sum, int64_t i, part w) {
	*sum = vfma(get(w, a->x + i), vzero(), *sum);
}

KERNEL(allFinite, finiteArgs) {
	vf sum = vzero();
	EACH(a->n, allFiniteStep, a, &sum);
	vstore(a->lanes, sum);
}
