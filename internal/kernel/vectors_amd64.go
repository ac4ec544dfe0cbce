package kernel

var avx2Vectors = vectors{}
