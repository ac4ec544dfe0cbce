package kernel

// noTiles is what a machine lacks whose operating system gives no tiles.
const noTiles = "permission to use AMX's tiles"

// amxPairs is the kernels of csrc/amx.c and csrc/frames.c.
func (i isa) amxPairs() *gemm {
	g := avx512bf16.pairs(8) // how cells are made is the same
	g.amx = &amxKernels{
		product: i.amxProductKernel, gradient: i.amxGradientKernel,
		rows: i.frameRowsKernel, planes: i.framePlanesKernel, panel: i.framePanelKernel,
		turn: i.frameTurnKernel, rest: i.frameRestKernel,
		attention: &amxAttention{forward: i.amxAttentionKernel, gradient: i.amxAttentionGradientKernel, dots: i.dotHeadsKernel},
	}
	g.most = 1 << 19
	g.peak, g.products = i.amxPeak, 4*tileRows*tileTerms*tileRows
	return g
}

type amxPeakArgs struct{ rounds int }

func (i isa) amxPeak(rounds int) { i.amxPeakKernel(&amxPeakArgs{rounds}) }
