package kernel

// vectors are the kernels of csrc, each behind a function that takes slices.
// The structs they are called with must have the layout of those in C.
func (i isa) vectors() *vectors {
	return &vectors{
		queries:       i.lanes(),
		silu:          i.silu,
		siluBackward:  i.siluBackward,
		leaky:         i.leaky,
		leakyBackward: i.leakyBackward,
		add:           i.add,
		maximum:       i.maximum,
		scale:         i.scale,
		combine:       i.combine,
		combine3:      i.combine3,
		adam:          i.adam,
		sumSquares:    i.sumSquares,
		allFinite:     i.allFinite,
		squaredError:  i.squaredError,
		moments:       i.moments,
		affine:        i.affine,
		affineSiLU:    i.affineSiLU,
		normSums:      i.normSums,
		siluNormSums:  i.siluNormSums,
		affine2:       i.affine2,
		addRow:        i.addRow,
		sumRows:       i.sumRows,
		copyRows:      i.copyRows,
		turn:          i.turn,
		transpose:     i.transpose,
		tileInput:     i.tileInputKernel, tileOutput: i.tileOutputKernel, tileGradient: i.tileGradientKernel,
		tileWeights: i.tileWeightsKernel, tileWeightGradient: i.tileWeightGradientKernel,
		scores:      i.scores,
		weigh:       i.weigh,
		gradient:    i.gradientKernel,
		addValues:   i.addValues,
		normalize:   i.normalize,
		softmaxGrad: i.softmaxGrad,
		addOuter:    i.addOuter,
		dotColumns:  i.dotColumns,
	}
}
