package kernel

var avx2Gemm = gemm{multiply: multiplyAVX2, correlate: correlateAVX2, panel: panelAVX2}
