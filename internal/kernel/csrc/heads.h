// What the kernels of attention share.
#ifndef HEADS_H
#define HEADS_H

#include "exp.h"

#define DIMS 8 // dims that a call treats

// dot is the scores of one key with VW queries.
INLINE vf dot(const float *key, const vf *query) {
	vf even = vmul(vsplat(key), query[0]), odd = vmul(vsplat(key + 1), query[1]);
	FEW(d, DIMS / 2 - 1) {
		even = vfma(vsplat(key + 2 * d + 2), query[2 * d + 2], even);
		odd = vfma(vsplat(key + 2 * d + 3), query[2 * d + 3], odd);
	}
	return vadd(even, odd);
}

#endif
