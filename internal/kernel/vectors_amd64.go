package kernel

// avx2Vectors are the kernels of csrc, each behind a function that takes
// slices. The structs they are called with must have the layout of those in C.
var avx2Vectors = vectors{
	silu:         avx2SiLU,
	siluBackward: avx2SiLUBackward,
	add:          avx2Add,
	scale:        avx2Scale,
	combine:      avx2Combine,
	combine3:     avx2Combine3,
	adam:         avx2Adam,
	sumSquares:   avx2SumSquares,
	allFinite:    avx2AllFinite,
	squaredError: avx2SquaredError,
	moments:      avx2Moments,
	affine:       avx2Affine,
	affineSiLU:   avx2AffineSiLU,
	normSums:     avx2NormSums,
	siluNormSums: avx2SiLUNormSums,
	affine2:      avx2Affine2,
	addRow:       avx2AddRow,
	sumRows:      avx2SumRows,
	copyRows:     avx2CopyRows,
	transpose:    avx2Transpose,
	scores:       avx2Scores,
	powers:       avx2Powers,
	addValues:    avx2AddValues,
	normalize:    avx2Normalize,
	softmaxGrad:  avx2SoftmaxGrad,
	addOuter:     avx2AddOuter,
	dotColumns:   avx2DotColumns,
}
