package eval

// mmd is the unbiased squared maximum mean discrepancy of two sets under KID's
// kernel, and what each row of them contributes to its spread.
type mmd struct {
	value float64
	// Sample variances, over the rows of x and of y, of the means of the kernel
	// that a row takes part in (Hájek's projection of the U-statistic).
	varX, varY float64
}

// variance is that of value, to first order, for sets of nx and ny rows.
func (m mmd) variance(nx, ny int) float64 {
	return 4*m.varX/float64(nx) + 4*m.varY/float64(ny)
}

// kernel is KID's polynomial kernel of an inner product of d features:
// (a·b/d + 1)³ (Bińkowski et al. 2018, "Demystifying MMD GANs", section 4).
func kernel(product, d float64) float64 {
	k := product/d + 1
	return k * k * k
}

// mmd2 computes it from the kernel's row sums, the diagonals of x·x and y·y left
// out (Gretton et al. 2012, "A kernel two-sample test", eq. 3); both sets have
// two rows or more.
func mmd2(workers int, x, y set) (mmd, error) {
	nx, ny := x.Len(), y.Len()
	xx, err := selfSums(workers, x)
	if err != nil {
		return mmd{}, err
	}
	yy, err := selfSums(workers, y)
	if err != nil {
		return mmd{}, err
	}
	xy, yx, err := crossSums(workers, x, y)
	if err != nil {
		return mmd{}, err
	}
	value := sum(xx)/float64(nx)/float64(nx-1) + sum(yy)/float64(ny)/float64(ny-1) -
		2*sum(xy)/float64(nx)/float64(ny)
	return mmd{value, projected(xx, xy, ny), projected(yy, yx, nx)}, nil
}

// selfSums is Σ_j k(x_i, x_j), j ≠ i, for each row i.
func selfSums(workers int, x set) ([]float64, error) {
	d := float64(x.Dim())
	sums := make([]float64, x.Len())
	err := sweep(workers, x, nil, func(t *tile) func() {
		rows, columns := make([]float64, t.m), make([]float64, t.n)
		for i := range t.m {
			rows[i] = addKernels(columns, t, i, d)
		}
		a0, b0 := t.a0, t.b0
		return func() {
			add(sums[a0:], rows)
			add(sums[b0:], columns)
		}
	})
	return sums, err
}

// crossSums is Σ_j k(x_i, y_j) for each i and Σ_i k(x_i, y_j) for each j.
func crossSums(workers int, x, y set) (xy, yx []float64, err error) {
	d := float64(x.Dim())
	xy, yx = make([]float64, x.Len()), make([]float64, y.Len())
	err = sweep(workers, x, &y, func(t *tile) func() {
		rows, columns := make([]float64, t.m), make([]float64, t.n)
		for i := range t.m {
			rows[i] = addKernels(columns, t, i, d)
		}
		a0, b0 := t.a0, t.b0
		return func() {
			add(xy[a0:], rows)
			add(yx[b0:], columns)
		}
	})
	return xy, yx, err
}

// addKernels adds the kernels of row i of t to columns and returns their sum.
func addKernels(columns []float64, t *tile, i int, d float64) (sum float64) {
	dots, first := t.row(i)
	for j, v := range dots {
		k := kernel(v, d)
		sum += k
		columns[first+j] += k
	}
	return sum
}

// projected is the sample variance of a row's mean kernel with its own set less
// that with the other, which has n rows.
func projected(own, other []float64, n int) float64 {
	h := make([]float64, len(own))
	for i := range h {
		h[i] = own[i]/float64(len(own)-1) - other[i]/float64(n)
	}
	_, v := meanVariance(h)
	return v
}

func add(dst, x []float64) {
	for i, v := range x {
		dst[i] += v
	}
}

func sum(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}

// meanVariance is the mean and the unbiased variance of x; the variance of one
// value is 0.
func meanVariance(x []float64) (mean, variance float64) {
	mean = sum(x) / float64(len(x))
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(max(1, len(x)-1))
}
