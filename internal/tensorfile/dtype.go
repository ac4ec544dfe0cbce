package tensorfile

import (
	"encoding/binary"
	"math"
)

// dtypeSize is the bytes an element takes, for every safetensors dtype whose
// elements are whole bytes. A file may hold any of these; Read and ReadInts take fewer.
var dtypeSize = map[string]uint64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// floatDecoders turn little-endian elements into float32. F64 is rounded to nearest.
var floatDecoders = map[string]func(dst []float32, src []byte){
	"F32": func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	},
	"F64": func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	},
	"BF16": func(dst []float32, src []byte) {
		for i := range dst { // bfloat16 is the upper half of a float32
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	},
	"F16": func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = halfToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
		}
	},
}

// doubleDecoders turn little-endian elements into float64; exact.
var doubleDecoders = map[string]func(dst []float64, src []byte){
	"F64": func(dst []float64, src []byte) {
		for i := range dst {
			dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:]))
		}
	},
	"F32": func(dst []float64, src []byte) {
		for i := range dst {
			dst[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:])))
		}
	},
}

// intDecoders turn little-endian elements into int64.
var intDecoders = map[string]func(dst []int64, src []byte){
	"I64": func(dst []int64, src []byte) {
		for i := range dst {
			dst[i] = int64(binary.LittleEndian.Uint64(src[8*i:]))
		}
	},
	"I32": func(dst []int64, src []byte) {
		for i := range dst {
			dst[i] = int64(int32(binary.LittleEndian.Uint32(src[4*i:])))
		}
	},
	"U8": func(dst []int64, src []byte) {
		for i := range dst {
			dst[i] = int64(src[i])
		}
	},
}

// halfToFloat32 converts IEEE 754 binary16 (1 sign, 5 exponent, 10 fraction bits); exact.
func halfToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exponent {
	case 0x1f: // infinity, NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	case 0: // zero, subnormal: fraction·2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	}
	return math.Float32frombits(sign | (exponent-15+127)<<23 | fraction<<13)
}
