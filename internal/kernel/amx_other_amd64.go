//go:build !linux

package kernel

// tilesRefused: how to ask other operating systems is not known.
func tilesRefused() string { return noTiles }
