#include "lanes.h"

struct addArgs {
	float *y;
	const float *x;
	int64_t n;
};

KERNEL(trialAdd, addArgs) {
	for (int64_t i = 0; i + VW <= a->n; i += VW)
		vstore(a->y + i, vadd(vload(a->y + i), vload(a->x + i)));
}
