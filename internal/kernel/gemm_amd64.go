package kernel

var avx2Gemm = gemm{add: trialAddAVX2}
