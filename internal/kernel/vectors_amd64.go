package kernel

var avx2Vectors = portableVectors
