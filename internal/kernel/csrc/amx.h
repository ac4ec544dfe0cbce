// AMX's tiles, and how a thread is told of their shapes.
#ifndef AMX_H
#define AMX_H

#include "bf16.h"

#define TILE 16 // rows of a tile, and cells of a row
#define LINE 64 // bytes of a row

typedef struct {
	uint8_t palette, start, reserved[14];
	uint16_t bytes[16];
	uint8_t rows[16];
} tiles;

#endif
