package train

import (
	"math"

	"diffuse/internal/kernel"
)

// noisify turns x, clean images x_0 back to back, into
//
//	x_t = sqrt(alphabar_t)·x_0 + sqrt(1−alphabar_t)·eps
//
// in place (Ho et al. 2020, equation 4). alphabar has one value an image.
func noisify(k *kernel.Set, x, eps []float32, alphabar []float64) {
	size := len(x) / len(alphabar)
	for i, a := range alphabar {
		xi, ei := x[i*size:(i+1)*size], eps[i*size:(i+1)*size]
		k.Combine(xi, float32(math.Sqrt(a)), xi, float32(math.Sqrt(1-a)), ei, 0, nil)
	}
}
