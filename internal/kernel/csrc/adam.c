#include "exp.h"

// adamArgs is the twin of adamPass in Go.
struct adamArgs {
	float *p, *m, *v, *ema; // ema may be null
	const float *g;
	int64_t n;
	float gradScale, shrink, decay;
	float lerp, beta2, square;
	float root, eps, step, average;
};

// Products and sums are rounded apart, as the portable twin does.
INLINE void adamStep(const struct adamArgs *a, int64_t i, part w) {
	vf p = get(w, a->p + i), m = get(w, a->m + i), v = get(w, a->v + i);
	vf g = vmul(get(w, a->g + i), vset(a->gradScale));
	g = vadd(g, vmul(vset(a->decay), p));
	p = vmul(p, vset(a->shrink));
	m = vadd(m, vmul(vset(a->lerp), vsub(g, m)));
	v = vadd(vmul(v, vset(a->beta2)), vmul(vmul(vset(a->square), g), g));
	put(w, a->m + i, m);
	put(w, a->v + i, v);
	vf root = vadd(vdiv(vsqrt(v), vset(a->root)), vset(a->eps));
	put(w, a->p + i, vadd(p, vdiv(vmul(vset(a->step), m), root)));
}

INLINE void averageStep(const struct adamArgs *a, int64_t i, part w) {
	adamStep(a, i, w);
	vf ema = get(w, a->ema + i);
	put(w, a->ema + i, vadd(ema, vmul(vset(a->average), vsub(get(w, a->p + i), ema))));
}

KERNEL(adam, adamArgs) {
	if (a->ema)
		EACH(a->n, averageStep, a);
	else
		EACH(a->n, adamStep, a);
}
