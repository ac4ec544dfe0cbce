package kernel

// vectors are the loops over whole activations that a kernel set provides,
// everything but convolutions. The methods of Set split a tensor into images,
// heads and blocks, which is the same for every set, and call these.
//
// Slices of one call have the lengths their names imply and are not empty. An
// output may be the same slice as an input of its length, never a shifted one.
type vectors struct {
	queries int // queries in a panel of attention, a multiple of 8

	// elementwise
	silu          func(y, x []float32)               // y = x·σ(x)
	siluBackward  func(dx, dy, x []float32)          // dx = dy·(x·σ(x))'
	leaky         func(y, x []float32, l Leaky)      // y = x, or slope·x where that is greater, + shift
	leakyBackward func(dx, dy, y []float32, l Leaky) // dx = dy, times slope where y <= shift
	add           func(y, a, b []float32)            // y = a+b
	maximum       func(y, a, b []float32)            // y = max(a, b), b where one is a NaN
	scale         func(dst []float32, a float32, x []float32)
	combine       func(dst []float32, a float32, x []float32, b float32, y []float32)
	combine3      func(dst []float32, a float32, x []float32, b float32, y []float32, c float32, z []float32)
	adam          func(a AdamArgs, c adamCoefficients)

	// sums in an order that depends on the length only
	sumSquares   func(x []float32) float64
	allFinite    func(x []float32) bool
	squaredError func(dy, y, target []float32, scale2 float32) float64 // Σ(y−t)²; dy = scale2·(y−t) unless nil

	// over the pixels of an image, [pixels][c], c being the length of the
	// other slices
	moments      func(sum, sq, x []float32)                       // Σ(x−x₀), Σ(x−x₀)², x₀ being the first pixel
	affine       func(y, x, a, b []float32)                       // y = a·x+b
	affineSiLU   func(y, x, a, b []float32)                       // y = silu(a·x+b)
	normSums     func(sdu, sdux, du, x, mean []float32)           // add Σdu, Σdu·(x−mean)
	siluNormSums func(sdu, sdux, du, dy, x, a, b, mean []float32) // du = dy·silu'(a·x+b), and normSums
	affine2      func(dx, du, x, a, k1, k0, from []float32)       // dx = a·du+k1·x+k0, + from unless it is nil
	addRow       func(y, x, e []float32)                          // y = x+e
	sumRows      func(de, dy []float32)                           // Σdy

	// matrices whose rows are ldd and lds values apart
	copyRows  func(dst []float32, ldd int, src []float32, lds, rows, cols int, scale float32) // dst[i][j] = scale·src[i][j]
	turn      func(dst []float32, ldd int, src []float32, lds, rows, cols int)                // dst[j][i] = src[i][j], of cells
	transpose func(dst []float32, ldd int, src []float32, lds, rows, cols int, scale float32) // dst[j][i] = scale·src[i][j]

	// transforms of Winograd's tiles; tileArgs says what these do
	tileInput, tileOutput, tileGradient, tileWeights, tileWeightGradient func(*tileArgs)

	// panels of attention; attention_portable.go says what these do
	scores      func(panel, top, queries []float32, ldq int, keys []float32, ldk, count int, add bool)
	weigh       func(panel, top, sum, out []float32, ldo int, values []float32, ldv, count int)
	softmaxGrad func(panel, dpanel, lse, d []float32, count int)
	addValues   func(out []float32, ldo int, panel, values []float32, ldv, count int)
	normalize   func(out []float32, ldo, dim int, lse, top, sum []float32)
	gradient    func(*gradientArgs)
	addOuter    func(out []float32, ldo int, panel, rows []float32, ldr, count int, scratch []float32)
	dotColumns  func(d, a, b []float32, ld, dim int)
}

var portableVectors = vectors{
	queries:       queryLanes,
	silu:          siluPortable,
	siluBackward:  siluBackwardPortable,
	leaky:         leakyPortable,
	leakyBackward: leakyBackwardPortable,
	add:           addPortable,
	maximum:       maximumPortable,
	scale:         scalePortable,
	combine:       combinePortable,
	combine3:      combine3Portable,
	adam:          adamPortable,
	sumSquares:    sumSquaresPortable,
	allFinite:     allFinitePortable,
	squaredError:  squaredErrorPortable,
	moments:       momentsPortable,
	affine:        affinePortable,
	affineSiLU:    affineSiLUPortable,
	normSums:      normSumsPortable,
	siluNormSums:  siluNormSumsPortable,
	affine2:       affine2Portable,
	addRow:        addRowPortable,
	sumRows:       sumRowsPortable,
	copyRows:      copyRowsPortable,
	turn:          turnPortable,
	transpose:     transposePortable,
	tileInput:     tileInputPortable, tileOutput: tileOutputPortable, tileGradient: tileGradientPortable,
	tileWeights: tileWeightsPortable, tileWeightGradient: tileWeightGradientPortable,
	scores:      scoresPortable,
	weigh:       weighPortable,
	gradient:    gradientPortable,
	addValues:   addValuesPortable,
	normalize:   normalizePortable,
	softmaxGrad: softmaxGradPortable,
	addOuter:    addOuterPortable,
	dotColumns:  dotColumnsPortable,
}
